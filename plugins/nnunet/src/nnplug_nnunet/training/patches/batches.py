"""Batches on the host, and their copy to the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from nnplug.contracts import BatchAugmentation, DrawnSamples

Image = npt.NDArray[np.float32]
Label = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Batch:
    """A batch of training patches.

    Attributes:
        image: (B, C, *patch) float32.
        label: (B, 1, *patch) int16.
    """

    image: torch.Tensor
    label: torch.Tensor

    def pinned(self) -> Self:
        """Return the batch in page-locked memory; a GPU copies from it while it computes."""
        return replace(self, image=self.image.pin_memory(), label=self.label.pin_memory())

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and label on the training device."""
        return self.image.to(device, non_blocking=True), self.label.to(device, non_blocking=True)


@dataclass(frozen=True)
class DrawnBatch:
    """A batch that is augmented on the training device.

    Attributes:
        groups: its samples, grouped by size, on the host.
        augmentation: the transforms to apply.
    """

    groups: tuple[DrawnSamples, ...]
    augmentation: BatchAugmentation

    def pinned(self) -> Self:
        """Return the batch in page-locked memory; see `Batch`."""
        groups = [replace(g, image=g.image.pin_memory(), label=g.label.pin_memory()) for g in self.groups]
        return replace(self, groups=tuple(groups))

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the augmented image (B, C, *patch) and label (B, 1, *patch) on the training device."""
        groups = [
            replace(g, image=g.image.to(device, non_blocking=True), label=g.label.to(device, non_blocking=True))
            for g in self.groups
        ]
        image, label = self.augmentation(groups)
        return image, label[:, None]


@dataclass(frozen=True)
class DrawnSample:
    """A patch before augmentation.

    Attributes:
        image: (C, *size) float32.
        label: (*size) int16.
        drawn: its random parameters.
    """

    image: Image
    label: Label
    drawn: Any


def grouped(samples: Sequence[DrawnSample]) -> tuple[DrawnSamples, ...]:
    """Return the samples of a batch grouped by size, each with its position in the batch."""
    sizes = {sample.label.shape for sample in samples}
    return tuple(_group(size, samples) for size in sorted(sizes))


def _group(size: tuple[int, ...], samples: Sequence[DrawnSample]) -> DrawnSamples:
    chosen = {place: sample for place, sample in enumerate(samples) if sample.label.shape == size}
    return DrawnSamples(
        places=tuple(chosen),
        image=torch.from_numpy(np.stack([sample.image for sample in chosen.values()])),
        label=torch.from_numpy(np.stack([sample.label for sample in chosen.values()])),
        draws=tuple(sample.drawn for sample in chosen.values()),
    )
