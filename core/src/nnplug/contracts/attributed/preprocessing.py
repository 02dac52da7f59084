"""A preprocessing that attributes errors to its component, and checks arguments and results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.contracts.preprocessor import CascadePreprocessing, Inverse, Preprocessing, Preprocessor
from nnplug.dataset.cases import channel_mismatch
from nnplug.errors import InvalidPlugin, NnplugError
from nnplug.registry.attribution import attributed, expect, name_of
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
    """

    preprocessor: Preprocessor
    preprocessing: Preprocessing
    channels: int

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
            return AttributedInverse(self.preprocessor, self.preprocessing.inverse(info))

    def shape_of(self, info: Mapping[str, Any]) -> Shape:
        """See `nnplug.contracts.CascadePreprocessing`."""
        with attributed(self.preprocessor):
            z, y, x = self._cascade.shape_of(info)
        return z, y, x

    def label_map_on(self, logits: torch.Tensor, info: Mapping[str, Any], shape: Shape) -> LabelArray:
        """See `nnplug.contracts.CascadePreprocessing`."""
        with attributed(self.preprocessor):
            labels = self._cascade.label_map_on(logits, info, shape)
        return _of_shape(self.preprocessor, labels, shape)

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
        case, who = expect(self.preprocessor, prepared, Prepared), name_of(self.preprocessor)
        image: Image = expect(self.preprocessor, case.image, np.ndarray)
        if image.ndim != 4 or len(image) != channels or image.dtype != np.float32:
            raise InvalidPlugin(
                f"{who} gave an image of {image.dtype} and shape {image.shape}; expected float32 ({channels}, z, y, x)"
            )
        if labelled:
            label: LabelArray = expect(self.preprocessor, case.label, np.ndarray)
            if label.shape != image.shape[1:] or label.dtype != np.int16:
                raise InvalidPlugin(
                    f"{who} gave a label map of {label.dtype} and shape {label.shape}; expected int16 {image.shape[1:]}"
                )
        return case


@dataclass(frozen=True)
class AttributedInverse(Inverse):
    """See `nnplug.contracts.Inverse`.

    Attributes:
        preprocessor: the component, which messages name.
        inverse: its inverse of a case.
    """

    preprocessor: Preprocessor
    inverse: Inverse

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
        return _of_shape(self.preprocessor, labels, self.shape)

    def probability_planes(self, logits: torch.Tensor, *, regions: bool) -> Iterator[torch.Tensor]:
        """See `nnplug.contracts.Inverse`."""
        return self._attributed(self.inverse.probability_planes(logits, regions=regions))

    def probabilities(self, logits: torch.Tensor, *, regions: bool) -> Iterator[Image]:
        """See `nnplug.contracts.Inverse`."""
        return self._attributed(self.inverse.probabilities(logits, regions=regions))

    def data(self) -> Mapping[str, Any]:
        """See `nnplug.contracts.Inverse`."""
        with attributed(self.preprocessor):
            return self.inverse.data()

    def _attributed(self, items: Iterator[Item]) -> Iterator[Item]:
        end = object()
        while True:
            with attributed(self.preprocessor):
                item = next(items, end)
            if item is end:
                return
            yield cast("Item", item)


def _of_shape(preprocessor: Preprocessor, labels: Any, shape: Shape) -> LabelArray:
    found: LabelArray = expect(preprocessor, labels, np.ndarray)
    if found.shape != shape:
        raise InvalidPlugin(f"{name_of(preprocessor)} gave a label map of shape {found.shape}; expected {shape}")
    return found
