"""The inverse of preprocessors that transpose, crop and resample. It uses the functions of `ops.export`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnplug.arrays import LabelArray
from nnplug.contracts.preprocessor import Inverse
from nnplug.io.crop_info import CropInfo

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch


@dataclass(frozen=True)
class CropInverse(Inverse):
    """The inverse of resampling, crop and transposition. Voxels outside the crop are background.

    Logits with this inverse are read without any plugin, since the data are complete.

    Attributes:
        crop_info: the crop info of the preprocessed case.
        axis: the transposed axis across which slices are resampled one by one, see
            `nnplug.ops.resample.separated_axis`.
    """

    crop_info: CropInfo
    axis: int | None

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (z, y, x) of the image as read."""
        return self.crop_info.original_shape

    def label_map(
        self, planes: Iterable[torch.Tensor], count: int, *, regions_class_order: Sequence[int] | None = None
    ) -> LabelArray:
        """See `nnplug.contracts.Inverse`."""
        from nnplug.ops import export

        cropped = export.streamed_label_map(
            planes, count, self.crop_info.cropped_shape, axis=self.axis, regions_class_order=regions_class_order
        )
        return self._restored(cropped)

    def probability_planes(self, logits: torch.Tensor, *, regions: bool) -> Iterator[torch.Tensor]:
        """See `nnplug.contracts.Inverse`.

        Outside the crop the background has probability 1 and all other classes 0, as in nnU-Net's files.
        """
        import numpy as np
        import torch

        from nnplug.ops import export

        crop_info = self.crop_info
        back = np.argsort(crop_info.transpose_forward)
        values = logits.permute(0, *(int(axis) + 1 for axis in back))
        box = [crop_info.bounding_box[axis] for axis in back]
        (top, bottom), (y0, y1), (x0, x1) = box
        axis = None if self.axis is None else crop_info.transpose_forward[self.axis]
        inside = export.probability_planes(values, (bottom - top, y1 - y0, x1 - x0), axis=axis, regions=regions)
        depth, *plane_shape = crop_info.original_shape
        plane = torch.empty(len(values), *plane_shape, device=values.device)
        for z in range(depth):
            plane.zero_()
            plane[0] = float(not regions)
            if top <= z < bottom:
                plane[:, y0:y1, x0:x1] = next(inside)
            yield plane

    def probabilities(self, logits: torch.Tensor, *, regions: bool) -> Iterator[npt.NDArray[np.float32]]:
        """See `nnplug.contracts.Inverse`; outside the crop as in `probability_planes`."""
        from nnplug.ops import export

        volumes = export.probabilities(logits, self.crop_info.cropped_shape, axis=self.axis, regions=regions)
        for output, volume in enumerate(volumes):
            yield self._restored(volume, fill=float(output == 0 and not regions))

    def data(self) -> dict[str, Any]:
        """Return the JSON of `logits.json`: crop info and axis."""
        return {"frame": self.crop_info.data(), "axis": self.axis}

    def _restored(self, cropped: npt.NDArray[Any], *, fill: float = 0) -> npt.NDArray[Any]:
        from nnplug.ops import export

        return export.restore(
            cropped,
            self.crop_info.transposed_shape,
            bounding_box=self.crop_info.bounding_box,
            transpose=self.crop_info.transpose_forward,
            fill=fill,
        )
