"""A preprocessing that attributes errors to its component, and checks arguments and results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.contracts.attributed.json_check import check_json
from nnplug.contracts.attributed.label_map_check import check_label_map
from nnplug.contracts.preprocessor import CascadePreprocessing, Inverse, Preprocessing, Preprocessor
from nnplug.dataset.cases import channel_mismatch
from nnplug.dataset.labels import Labels
from nnplug.errors import NnplugError
from nnplug.ops.finite import is_finite
from nnplug.registry.attribution import attributed, broken, expect
from nnplug.workspace.case_store import Prepared

if TYPE_CHECKING:
    import torch

Image = npt.NDArray[np.float32]
Spacing = tuple[float, float, float]
Shape = tuple[int, int, int]
Item = TypeVar("Item")


@dataclass(frozen=True)
class AttributedPreprocessing(CascadePreprocessing):
    """See `nnplug.contracts.Preprocessing`.

    Attributes:
        preprocessor: the component, which messages name.
        preprocessing: bound to a configuration.
        channels: the number of channels of an image.
        labels: classes or regions.
    """

    preprocessor: Preprocessor
    preprocessing: Preprocessing
    channels: int
    labels: Labels

    def prepare(self, image: Image, spacing: Spacing, label: LabelArray | None = None) -> Prepared:
        """See `nnplug.contracts.Preprocessing`.

        Raises:
            NnplugError: the number of channels is not the configuration's, or shapes differ.
        """
        self._check_arguments(image, label)
        with attributed(self.preprocessor):
            prepared = self.preprocessing.prepare(image, spacing, label)
        return self._checked(prepared, self.channels, labelled=label is not None)

    def prepare_refining(self, image: Image, spacing: Spacing, previous: LabelArray) -> Prepared:
        """See `nnplug.contracts.CascadePreprocessing`; raises as `prepare`."""
        self._check_arguments(image, previous)
        with attributed(self.preprocessor):
            prepared = self._cascade.prepare_refining(image, spacing, previous)
        return self._checked(prepared, self.channels + 1, labelled=False)

    def inverse(self, info: Mapping[str, Any]) -> AttributedInverse:
        """See `nnplug.contracts.Preprocessing`."""
        with attributed(self.preprocessor):
            return AttributedInverse(self.preprocessor, self.preprocessing.inverse(info), self.labels)

    def shape_of(self, info: Mapping[str, Any]) -> Shape:
        """See `nnplug.contracts.CascadePreprocessing`."""
        with attributed(self.preprocessor):
            z, y, x = self._cascade.shape_of(info)
        return z, y, x

    def label_map_on(self, logits: torch.Tensor, info: Mapping[str, Any], shape: Shape) -> LabelArray:
        """See `nnplug.contracts.CascadePreprocessing`."""
        with attributed(self.preprocessor):
            labels = self._cascade.label_map_on(logits, info, shape)
        return check_label_map(self.preprocessor, labels, shape, self.labels)

    @property
    def _cascade(self) -> CascadePreprocessing:
        return cast("CascadePreprocessing", self.preprocessing)  # see `check_takes_previous_stage`

    def _check_arguments(self, image: Image, label: LabelArray | None) -> None:
        if problem := channel_mismatch(len(image), self.channels):
            raise NnplugError(f"{problem}. Give a file per channel: CASE_0000, CASE_0001 ..")
        if label is not None and label.shape != image.shape[1:]:
            raise NnplugError(f"the image has shape {image.shape[1:]}, its label map {label.shape} (z, y, x)")

    def _checked(self, prepared: Any, channels: int, *, labelled: bool) -> Prepared:
        """Return a preprocessed case; raise `InvalidPlugin` if its arrays break the contract."""
        case = expect(self.preprocessor, prepared, Prepared)
        image: Image = expect(self.preprocessor, case.image, np.ndarray)
        if image.ndim != 4 or len(image) != channels or image.dtype != np.float32:
            raise broken(
                self.preprocessor,
                f"gave an image of {image.dtype} and shape {image.shape}; expected float32 ({channels}, z, y, x)",
            )
        if not is_finite(image):
            raise broken(self.preprocessor, "gave an image with values that are not finite")
        if labelled:
            label: LabelArray = expect(self.preprocessor, case.label, np.ndarray)
            if label.shape != image.shape[1:] or label.dtype != np.int16:
                raise broken(
                    self.preprocessor,
                    f"gave a label map of {label.dtype} and shape {label.shape}; expected int16 {image.shape[1:]}",
                )
        check_json(self.preprocessor, case.info, "information about a case")
        return case


@dataclass(frozen=True)
class AttributedInverse(Inverse):
    """See `nnplug.contracts.Inverse`.

    Attributes:
        preprocessor: the component, which messages name.
        inverse: its inverse of a case.
        labels: classes or regions; None for stored logits, which do not have them.
    """

    preprocessor: Preprocessor
    inverse: Inverse
    labels: Labels | None = None

    @property
    def shape(self) -> Shape:
        """The shape (z, y, x) of the image as read."""
        with attributed(self.preprocessor):
            z, y, x = self.inverse.shape
        return z, y, x

    def label_map(
        self, planes: Iterable[torch.Tensor], count: int, *, regions_class_order: Sequence[int] | None = None
    ) -> LabelArray:
        """See `nnplug.contracts.Inverse`."""
        with attributed(self.preprocessor):
            labels = self.inverse.label_map(planes, count, regions_class_order=regions_class_order)
        return check_label_map(self.preprocessor, labels, self.shape, self.labels)

    def probability_planes(self, logits: torch.Tensor, *, regions: bool) -> Iterator[torch.Tensor]:
        """See `nnplug.contracts.Inverse`."""
        return self._attributed(self.inverse.probability_planes(logits, regions=regions))

    def probabilities(self, logits: torch.Tensor, *, regions: bool) -> Iterator[Image]:
        """See `nnplug.contracts.Inverse`."""
        return self._attributed(self.inverse.probabilities(logits, regions=regions))

    def data(self) -> Mapping[str, Any]:
        """See `nnplug.contracts.Inverse`."""
        with attributed(self.preprocessor):
            data = self.inverse.data()
        return check_json(self.preprocessor, data, "data of an inverse")

    def _attributed(self, items: Iterator[Item]) -> Iterator[Item]:
        end = object()
        while True:
            with attributed(self.preprocessor):
                item = next(items, end)
            if item is end:
                return
            yield cast("Item", item)
