"""Batches, on the host and on their way to the device."""

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
        """In page-locked memory, from which a GPU copies while it computes."""
        return replace(self, image=self.image.pin_memory(), label=self.label.pin_memory())

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and label on the device that trains."""
        return self.image.to(device, non_blocking=True), self.label.to(device, non_blocking=True)


@dataclass(frozen=True)
class DrawnBatch:
    """A batch that is augmented where the network learns from it.

    Attributes:
        groups: its samples, those of one size together, still on the host.
        augmentation: what to do with them.
    """

    groups: tuple[DrawnSamples, ...]
    augmentation: BatchAugmentation

    def pinned(self) -> Self:
        """See `Batch`."""
        groups = [replace(g, image=g.image.pin_memory(), label=g.label.pin_memory()) for g in self.groups]
        return replace(self, groups=tuple(groups))

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Image (B, C, *patch) and label (B, 1, *patch), augmented."""
        groups = [
            replace(g, image=g.image.to(device, non_blocking=True), label=g.label.to(device, non_blocking=True))
            for g in self.groups
        ]
        image, label = self.augmentation(groups)
        return image, label[:, None]


@dataclass(frozen=True)
class DrawnSample:
    """A patch, (C, *size) and (*size), before what is drawn for it is done."""

    image: Image
    label: Label
    drawn: Any


def grouped(samples: Sequence[DrawnSample]) -> tuple[DrawnSamples, ...]:
    """The samples of a batch by their sizes, each with its place in the batch."""
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
