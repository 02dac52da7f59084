"""The smallest network and augmenter that keep their contracts, for the checks of trainers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from nnplug.contracts import AugmentationContext, BatchAugmenter, CascadeAugmentation
from nnplug.errors import NnplugError
from nnplug.ops.one_hot import one_hot
from nnplug.testing.samples import Image, Label

FEATURES = 4


class TinyNetwork(nn.Module):
    """A network with two resolutions of one convolution each; in training mode it returns logits at both."""

    def __init__(self, axes: int, *, channels: int, outputs: int) -> None:
        """Build the network for inputs (B, channels, *patch), with patches of 2 or 3 axes."""
        super().__init__()
        conv = nn.Conv2d if axes == 2 else nn.Conv3d
        self.fine = conv(channels, FEATURES, 3, padding=1)
        self.coarse = conv(FEATURES, FEATURES, 3, stride=2, padding=1)
        self.heads = nn.ModuleList([conv(FEATURES, outputs, 1) for _ in range(2)])

    def forward(self, image: Tensor) -> list[Tensor] | Tensor:
        """Return logits (B, outputs, *size) from fine to coarse; in evaluation mode only the fine ones."""
        fine = torch.relu(self.fine(image))
        logits: Tensor = self.heads[0](fine)
        return [logits, self.heads[1](torch.relu(self.coarse(fine)))] if self.training else logits


def check_even(patch_size: Sequence[int]) -> None:
    """Raise `NnplugError` unless `TinyNetwork` halves every axis of a patch."""
    if any(size < 2 or size % 2 for size in patch_size):
        raise NnplugError(f"patch size {list(patch_size)} does not fit; every axis must be even")


@dataclass(frozen=True)
class Crop(BatchAugmenter):
    """An augmenter that cuts the patch from the middle of a slightly larger one and adds noise.

    Attributes:
        noise: the standard deviation of the noise.
        contexts: the contexts of all calls of `bind`.
    """

    noise: float = 0.1
    contexts: list[AugmentationContext] = field(default_factory=list)

    def bind(self, context: AugmentationContext) -> _Crop:
        """See `nnplug.contracts.Augmenter`."""
        self.contexts.append(context)
        return _Crop(context.patch_size, context.previous_labels, self.noise)

    def bind_batches(self, context: AugmentationContext) -> None:
        """See `nnplug.contracts.BatchAugmenter`. It returns None: patches are augmented one by one."""


@dataclass(frozen=True)
class _Crop(CascadeAugmentation):
    patch_size: tuple[int, ...]
    previous_labels: tuple[int, ...]
    noise: float

    @property
    def source_patch_size(self) -> tuple[int, ...]:
        return tuple(size + 2 for size in self.patch_size)

    def __call__(
        self, image: Image, label: Label, rng: np.random.Generator, *, previous: Label | None = None
    ) -> tuple[Image, Label]:
        inside = (slice(1, -1),) * len(self.patch_size)
        cut = image[:, *inside]
        cut = cut + rng.normal(scale=self.noise, size=cut.shape).astype(np.float32)
        if previous is not None:
            channels = one_hot(torch.from_numpy(previous[inside]), self.previous_labels).numpy()
            cut = np.concatenate((cut, channels))
        return cut, np.maximum(label[inside], 0)
