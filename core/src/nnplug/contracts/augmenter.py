"""Augmenters: change training patches at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from nnplug.dataset.labels import Labels


@dataclass(frozen=True)
class AugmentationContext:
    """The properties of a training that an augmenter needs.

    Attributes:
        patch_size: of the network's input, voxels, 2 or 3 axes.
        mirror_axes: the spatial axes that may be mirrored.
        masked_channels: channels that are 0 where the preprocessor marks the label with -1, and must stay so.
        labels: classes or regions.
        previous_labels: values of the previous stage's label map that become channels; empty without a cascade.
    """

    patch_size: tuple[int, ...]
    mirror_axes: tuple[int, ...]
    masked_channels: tuple[int, ...]
    labels: Labels
    previous_labels: tuple[int, ...] = ()


class Augmentation(Protocol):
    """An augmenter bound to a training.

    Attributes:
        source_patch_size: the size of the patch that the loader cuts, voxels. It is larger than the network's patch, so
            that rotation and scaling do not reach its border.
    """

    @property
    def source_patch_size(self) -> tuple[int, ...]:
        """The size of the patch that the loader cuts; see the class."""
        ...

    def __call__(
        self, image: npt.NDArray[np.float32], label: npt.NDArray[np.int16], rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """Return an augmented patch.

        Args:
            image: (C, *source_patch_size) float32.
            label: (*source_patch_size) int16; -1 outside the image and where the preprocessor puts it.
            rng: the only source of randomness.

        Returns:
            Image (C, *patch_size) float32 and label (*patch_size) int16, with 0 instead of -1.
        """
        ...


class CascadeAugmentation(Augmentation, Protocol):
    """An augmentation that also transforms the previous stage's label map, for `takes_previous_stage=True`."""

    def __call__(
        self,
        image: npt.NDArray[np.float32],
        label: npt.NDArray[np.int16],
        rng: np.random.Generator,
        *,
        previous: npt.NDArray[np.int16] | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """Return an augmented patch.

        Args:
            image: as in `Augmentation`.
            label: as in `Augmentation`.
            rng: as in `Augmentation`.
            previous: (*source_patch_size) int16, the previous stage's label map, -1 outside the image; None without a
                previous stage.

        Returns:
            Image (C + len(previous_labels), *patch_size) float32 and label as in `Augmentation`. The last channels of
            the image are one-hot, in the order of the context's `previous_labels`.
        """
        ...


@dataclass(frozen=True)
class DrawnSamples:
    """Patches of a batch that were cut to one size, with the random draws for each.

    Attributes:
        places: the indices of the N patches in their batch.
        image: (N, C, *size) float32, on the device.
        label: (N, *size) int16, on the device; -1 outside the image and where the preprocessor puts it.
        draws: the result of `BatchAugmentation.draw` for each patch.
        previous: (N, *size) int16, on the device, the previous stage's label map, -1 outside the image; None without a
            previous stage.
    """

    places: tuple[int, ...]
    image: torch.Tensor
    label: torch.Tensor
    draws: tuple[Any, ...]
    previous: torch.Tensor | None = None


class BatchAugmentation(Protocol):
    """The same transforms for whole batches: threads draw and cut, and the device of the network applies them."""

    def draw(self, rng: np.random.Generator, channels: int) -> Any:
        """Return all random draws for one patch, equal to those of the `Augmentation` with the same `rng`."""
        ...

    def cut_size(self, drawn: Any) -> tuple[int, ...]:
        """Return the size to cut around the patch centre: `source_patch_size`, or less if that suffices."""
        ...

    def __call__(self, groups: Sequence[DrawnSamples]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return an augmented batch. Nothing is drawn here.

        Args:
            groups: all patches of the batch, grouped by size.

        Returns:
            Image (B, C, *patch_size) float32 and label (B, *patch_size) int16 with 0 instead of -1, on the device of
            the groups. With a previous stage the image has its one-hot channels, as in `CascadeAugmentation`.
        """
        ...


class Augmenter(Protocol):
    """A component that makes the random transforms of training patches.

    If the entry has `takes_previous_stage=True`, `bind` returns a `CascadeAugmentation`. If not, the augmenter is
    refused for configurations with a previous stage.
    """

    def bind(self, context: AugmentationContext) -> Augmentation:
        """Return the augmentation for one training."""
        ...


class BatchAugmenter(Augmenter, Protocol):
    """An augmenter that also works on whole batches; its entry has `augments_batches=True`.

    Trainers get every augmenter as one of these (`TrainingTask.augmenter`). If the entry has `augments_batches=False`,
    `bind_batches` returns None.
    """

    def bind_batches(self, context: AugmentationContext) -> BatchAugmentation | None:
        """Return the transforms of `bind(context)` for batches, or None if they work only on single patches.

        With `context.previous_labels` the groups have `DrawnSamples.previous`; None leaves cascades to `bind`.
        """
        ...
