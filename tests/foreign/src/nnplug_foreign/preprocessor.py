"""The component `foreign-whole` of kind preprocessor: whole images, resampled; no torch at the top."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.contracts import Inverse, Preprocessing, PreprocessingContext, Preprocessor, Regrid
from nnplug.errors import InvalidFile
from nnplug.ops.crop import nonzero_mask
from nnplug.ops.resample import resample_image, resample_label, resampled_shape
from nnplug.workspace.case_store import Prepared

if TYPE_CHECKING:
    import torch

Image = npt.NDArray[np.float32]
Size = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class WholeImage(Preprocessor):
    """Transposes, normalises and resamples; keeps every voxel and marks none as outside."""

    def bind(self, context: PreprocessingContext) -> BoundWholeImage:
        """See `nnplug.contracts.Preprocessor`."""
        return BoundWholeImage(context)

    def read_inverse(self, data: Mapping[str, Any]) -> GridInverse:
        """See `nnplug.contracts.Preprocessor`."""
        return _inverse(data)


@dataclass(frozen=True)
class BoundWholeImage(Preprocessing):
    """The preprocessing of one configuration."""

    context: PreprocessingContext

    def prepare(self, image: Image, spacing: Spacing, label: LabelArray | None = None) -> Prepared:
        """See `nnplug.contracts.Preprocessing`."""
        order = self.context.transpose_forward
        z, y, x = image.shape[1:]
        inverse = GridInverse((z, y, x), order)
        turned = image.transpose(0, *(axis + 1 for axis in order))
        grids = self._grids(inverse.turned_shape, spacing)
        own = self.context.resampler
        mask = nonzero_mask(turned)
        channels = [
            resample_image(one, grids.shape, order=1) if own is None else own.resample_image(one, grids)
            for channel, volume in zip(self.context.channels, turned, strict=True)
            for one in (channel.normalize(volume.copy(), mask)[None],)
        ]
        prepared = None
        if label is not None:
            turned_label = label.transpose(order).astype(np.int16)
            if own is None:
                prepared = resample_label(turned_label, grids.shape, order=1)
            else:
                prepared = own.resample_label(turned_label, grids)
        return Prepared(np.concatenate(channels, dtype=np.float32), prepared, inverse.data())

    def inverse(self, info: Mapping[str, Any]) -> GridInverse:
        """See `nnplug.contracts.Preprocessing`."""
        return _inverse(info)

    def _grids(self, shape: Size, spacing: Spacing) -> Regrid:
        a, b, c = (spacing[axis] for axis in self.context.transpose_forward)
        wanted = self.context.spacing
        z, y, x = (a, *wanted) if len(wanted) == 2 else wanted  # slices of 2D configurations keep their distance
        own = self.context.resampler
        new = resampled_shape if own is None else own.new_shape
        return Regrid(new(shape, (a, b, c), (z, y, x)), (a, b, c), (z, y, x), self.context.resampling)


@dataclass(frozen=True)
class GridInverse(Inverse):
    """The way back to an image: linear interpolation along all axes, and the axes in their order.

    Attributes:
        size: (z, y, x) of the image.
        order: in which its axes were taken.
    """

    size: Size
    order: Size

    @property
    def shape(self) -> Size:
        """See `nnplug.contracts.Inverse`."""
        return self.size

    @property
    def turned_shape(self) -> Size:
        """The shape of the image, its axes in the prepared order."""
        a, b, c = (self.shape[axis] for axis in self.order)
        return a, b, c

    def label_map(
        self, planes: Iterable[torch.Tensor], count: int, *, regions_class_order: Sequence[int] | None = None
    ) -> LabelArray:
        """See `nnplug.contracts.Inverse`."""
        from nnplug.ops import export

        turned = export.streamed_label_map(planes, count, self.turned_shape, regions_class_order=regions_class_order)
        return turned.transpose(np.argsort(self.order))

    def probability_planes(self, logits: torch.Tensor, *, regions: bool) -> Iterator[torch.Tensor]:
        """See `nnplug.contracts.Inverse`."""
        from nnplug.ops import export

        return export.probability_planes(self._turned_back(logits), self.shape, regions=regions)

    def probabilities(self, logits: torch.Tensor, *, regions: bool) -> Iterator[Image]:
        """See `nnplug.contracts.Inverse`."""
        from nnplug.ops import export

        return export.probabilities(self._turned_back(logits), self.shape, regions=regions)

    def data(self) -> dict[str, Any]:
        """See `nnplug.contracts.Inverse`."""
        return {"size": list(self.size), "order": list(self.order)}

    def _turned_back(self, logits: torch.Tensor) -> torch.Tensor:
        return logits.permute(0, *(int(axis) + 1 for axis in np.argsort(self.order)))


def _inverse(data: Mapping[str, Any]) -> GridInverse:
    try:
        (z, y, x), (a, b, c) = data["size"], data["order"]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidFile(f"{dict(data)!r} is no inverse of foreign-whole. Preprocess or predict again.") from error
    return GridInverse((z, y, x), (a, b, c))
