"""The augmenter, whose patches and batches are checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, cast

from nnplug.contracts import (
    Augmentation,
    AugmentationContext,
    Augmenter,
    BatchAugmentation,
    BatchAugmenter,
    CascadeAugmentation,
    DrawnSamples,
)
from nnplug.contracts.attributed.patch_check import PatchCheck
from nnplug.registry.attribution import attributed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    Image = npt.NDArray[np.float32]
    Label = npt.NDArray[np.int16]


@dataclass(frozen=True)
class AttributedAugmenter(BatchAugmenter):
    """An augmenter that checks patches and attributes errors of the wrapped augmenter to it, in any thread.

    Attributes:
        augmenter: the wrapped augmenter.
        batching: the same object if its entry has `augments_batches=True`, else None.
        batches_per_epoch: the values of every batch with this distance are checked, starting with the first one. They
            lie on the device, which a check stops; patches on the host are all checked.
    """

    augmenter: Augmenter
    batching: BatchAugmenter | None = None
    batches_per_epoch: int = 1

    def bind(self, context: AugmentationContext) -> Augmentation:
        """See `nnplug.contracts.Augmenter`."""
        with attributed(self.augmenter):
            return _Augmentation(self.augmenter, self.augmenter.bind(context), PatchCheck(self.augmenter, context))

    def bind_batches(self, context: AugmentationContext) -> BatchAugmentation | None:
        """See `nnplug.contracts.BatchAugmenter`."""
        if self.batching is None:
            return None
        with attributed(self.augmenter):
            batches = self.batching.bind_batches(context)
        check = PatchCheck(self.augmenter, context)
        return None if batches is None else _BatchAugmentation(self.augmenter, batches, check, self.batches_per_epoch)


@dataclass(frozen=True)
class _Augmentation(CascadeAugmentation):
    augmenter: Augmenter
    augmentation: Augmentation
    check: PatchCheck

    @property
    def source_patch_size(self) -> tuple[int, ...]:
        with attributed(self.augmenter):
            return self.augmentation.source_patch_size

    def __call__(
        self, image: Image, label: Label, rng: np.random.Generator, *, previous: Label | None = None
    ) -> tuple[Image, Label]:
        with attributed(self.augmenter):
            if previous is None:
                given = self.augmentation(image, label, rng)
            else:
                refining = cast("CascadeAugmentation", self.augmentation)
                given = refining(image, label, rng, previous=previous)
        return self.check.patch(given, image)


@dataclass(frozen=True)
class _BatchAugmentation(BatchAugmentation):
    augmenter: Augmenter
    augmentation: BatchAugmentation
    check: PatchCheck
    batches_per_epoch: int
    batches: Iterator[int] = field(default_factory=count)

    def draw(self, rng: np.random.Generator, channels: int) -> Any:
        with attributed(self.augmenter):
            return self.augmentation.draw(rng, channels)

    def cut_size(self, drawn: Any) -> tuple[int, ...]:
        with attributed(self.augmenter):
            return self.augmentation.cut_size(drawn)

    def __call__(self, groups: Sequence[DrawnSamples]) -> tuple[torch.Tensor, torch.Tensor]:
        with attributed(self.augmenter):
            given = self.augmentation(groups)
        image, label = self.check.batch(given, groups[0].image.shape[1], groups[0].image.device)
        if next(self.batches) % self.batches_per_epoch == 0:
            self.check.values(image, label)
        return image, label
