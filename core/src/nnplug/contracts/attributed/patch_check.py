"""Check the patches that augmenters return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nnplug.errors import NnplugError
from nnplug.ops.finite import is_finite
from nnplug.registry.attribution import broken, expect
from nnplug.remedies import Action

if TYPE_CHECKING:
    import torch

    from nnplug.contracts.augmenter import AugmentationContext, Augmenter

Image = npt.NDArray[np.float32]
Label = npt.NDArray[np.int16]


@dataclass(frozen=True)
class PatchCheck:
    """The check of patches and batches that an augmenter returns in one training.

    Attributes:
        augmenter: the component, which messages name.
        context: the properties of the training.
    """

    augmenter: Augmenter
    context: AugmentationContext

    def patch(self, given: Any, source: Image) -> tuple[Image, Label]:
        """Return an augmented patch if it is one; it is in the memory of the host, so that all values are checked.

        Args:
            given: the result of the augmentation.
            source: the image (C, *source_patch_size) that the augmentation got.

        Raises:
            InvalidPlugin: shape, dtype, number of channels or a value breaks the contract of `Augmentation`.
            NnplugError: the source has values that are not finite, so that the augmenter is not at fault.
        """
        first, second = self._pair(given)
        image: Image = expect(self.augmenter, first, np.ndarray)
        label: Label = expect(self.augmenter, second, np.ndarray)
        self._check_shapes(image.shape[1:], label.shape)
        self._check_channels(len(image), len(source) + len(self.context.previous_labels))
        self._check_dtypes(image.dtype, label.dtype)
        if not is_finite(image):
            raise self._not_finite(image, source)
        self._check_labels(int(label.min()), int(label.max()))
        return image, label

    def batch(self, given: Any, channels: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return an augmented batch if shape and dtype are right. No value is read, since that would stop a GPU.

        Args:
            given: the result of the augmentation.
            channels: the number of channels of the patches before augmentation.
            device: the device of the patches before augmentation.

        Raises:
            InvalidPlugin: shape, dtype, device or number of channels breaks the contract of `BatchAugmentation`.
        """
        import torch

        first, second = self._pair(given)
        image, label = expect(self.augmenter, first, torch.Tensor), expect(self.augmenter, second, torch.Tensor)
        self._check_shapes(tuple(image.shape[2:]), tuple(label.shape[1:]))
        self._check_channels(image.shape[1], channels + len(self.context.previous_labels))
        self._check_dtypes(image.dtype, label.dtype)
        if image.device != device or label.device != device:
            raise broken(self.augmenter, f"gave a batch on {image.device} and {label.device}; expected {device}")
        return image, label

    def values(self, image: torch.Tensor, label: torch.Tensor) -> None:
        """Check the values of an augmented batch. It waits for the device.

        Raises:
            InvalidPlugin: a value of the image is not finite, or the dataset has no such label.
        """
        if not bool(image.isfinite().all()):
            raise broken(self.augmenter, "gave an image with values that are not finite")
        self._check_labels(int(label.min()), int(label.max()))

    def _pair(self, given: Any) -> tuple[Any, Any]:
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise broken(self.augmenter, f"gave {type(given).__name__} instead of image and label")
        return given[0], given[1]

    def _check_shapes(self, image: tuple[int, ...], label: tuple[int, ...]) -> None:
        wanted = tuple(self.context.patch_size)
        if (image, label) != (wanted, wanted):
            raise broken(
                self.augmenter, f"gave an image of {image} voxels and a label of {label} for a patch of {wanted}"
            )

    def _check_channels(self, channels: int, wanted: int) -> None:
        if channels != wanted:
            raise broken(self.augmenter, f"gave an image of {channels} channels; expected {wanted}")

    def _check_dtypes(self, image: object, label: object) -> None:
        for what, dtype, wanted in (("an image", image, "float32"), ("a label", label, "int16")):
            name = str(dtype).removeprefix("torch.")
            if name != wanted:
                raise broken(self.augmenter, f"gave {what} of {name}; expected {wanted}")

    def _not_finite(self, image: Image, source: Image) -> NnplugError:
        if not (np.may_share_memory(image, source) or is_finite(source)):
            return NnplugError(
                "the preprocessed image has values that are not finite", Action.PREPROCESS_AGAIN()
            )  # of a store of an older nnplug, which did not check them
        return broken(self.augmenter, "gave an image with values that are not finite")

    def _check_labels(self, low: int, high: int) -> None:
        labels = self.context.labels
        highest = labels.all_values[-1] if labels.ignore is None else labels.ignore
        for value in (low, high):
            if not 0 <= value <= highest:
                raise broken(self.augmenter, f"gave label {value}; expected labels from 0 to {highest}")
