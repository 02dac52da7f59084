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
    """The facts about the training that an augmenter is given.

    Attributes:
        patch_size: of the network's input, 2 or 3 axes.
        mirror_axes: spatial axes that may be mirrored.
        masked_channels: channels that are 0 outside the nonzero mask (label -1) and must stay so.
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
        source_patch_size: the larger patch that the loader cuts, so that rotation and scaling see no border.
    """

    @property
    def source_patch_size(self) -> tuple[int, ...]:
        """See the class."""
        ...

    def __call__(
        self, image: npt.NDArray[np.float32], label: npt.NDArray[np.int16], rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """Augment one sample.

        Args:
            image: (C, *source_patch_size).
            label: (*source_patch_size); -1 outside the nonzero mask and outside the image.
            rng: the only source of randomness.

        Returns:
            image (C, *patch_size) and label (*patch_size) in which -1 has become 0.
        """
        ...


class CascadeAugmentation(Augmentation, Protocol):
    """Moves the previous stage's label map with the image, as an entry with `takes_previous_stage=True` promises."""

    def __call__(
        self,
        image: npt.NDArray[np.float32],
        label: npt.NDArray[np.int16],
        rng: np.random.Generator,
        *,
        previous: npt.NDArray[np.int16] | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """Augment one sample.

        Args:
            image: as in `Augmentation`.
            label: as in `Augmentation`.
            rng: as in `Augmentation`.
            previous: (*source_patch_size), the previous stage's label map, -1 outside the image; None without one.

        Returns:
            image (C + len(previous_labels), *patch_size), the last channels one-hot in the order of the context's
            `previous_labels`, and label as in `Augmentation`.
        """
        ...


@dataclass(frozen=True)
class DrawnSamples:
    """Samples of a batch that were cut to one size, each with what was drawn for it.

    Attributes:
        places: of the samples in their batch.
        image: (N, C, *size) float32, on the device.
        label: (N, *size) int16, there too; -1 outside the nonzero mask and outside the image.
        draws: what `BatchAugmentation.draw` gave for each of the N.
    """

    places: tuple[int, ...]
    image: torch.Tensor
    label: torch.Tensor
    draws: tuple[Any, ...]


class BatchAugmentation(Protocol):
    """The same transforms for whole batches, where the network computes: threads draw and cut, the device applies."""

    def draw(self, rng: np.random.Generator, channels: int) -> Any:
        """Everything random about one sample; the same draws as calling the augmentation with that `rng`."""
        ...

    def cut_size(self, drawn: Any) -> tuple[int, ...]:
        """Return the size to cut around the patch's centre: `source_patch_size`, or less where that suffices."""
        ...

    def __call__(self, groups: Sequence[DrawnSamples]) -> tuple[torch.Tensor, torch.Tensor]:
        """Augment a batch; nothing is drawn here.

        Args:
            groups: all samples of the batch, those of one size together.

        Returns:
            image (B, C, *patch_size) float32 and label (B, *patch_size) int16, in which -1 has become 0, on the
            device of the groups.
        """
        ...


class Augmenter(Protocol):
    """Makes the random transforms of training patches.

    Where the entry says `takes_previous_stage=True`, `bind` returns a `CascadeAugmentation`. An augmenter whose entry
    does not say so is refused where a configuration refines the prediction of another.
    """

    def bind(self, context: AugmentationContext) -> Augmentation:
        """Prepare for one training."""
        ...


class BatchAugmenter(Augmenter, Protocol):
    """An augmenter that can also work on whole batches; its entry says `augments_batches=True`.

    Trainers get every augmenter as one of these (`TrainingTask.augmenter`): for an entry that does not say so,
    `bind_batches` returns None.
    """

    def bind_batches(self, context: AugmentationContext) -> BatchAugmentation | None:
        """Return the transforms of `bind(context)` for batches; None where they only work sample by sample."""
        ...
