"""What the transforms of this package share: a sample, the two halves of a transform, and ways to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np
import torch

Range = tuple[float, float]
"""Lowest and highest value of a uniform draw."""

Params = TypeVar("Params")


@dataclass(frozen=True)
class Sample:
    """A patch on its way through the transforms.

    Attributes:
        image: (C, *size) float32, owned by the sample: intensity transforms compute in place.
        label: (*size) int16; -1 outside the nonzero mask and outside the image.
        previous: (*size) int16, what the previous stage of a cascade predicted; None without one.
    """

    image: torch.Tensor
    label: torch.Tensor
    previous: torch.Tensor | None = None

    @property
    def label_maps(self) -> torch.Tensor:
        """(1, *size) or, in a cascade, (2, *size): what moves with the image."""
        return self.label[None] if self.previous is None else torch.stack((self.label, self.previous))

    @classmethod
    def of(cls, image: torch.Tensor, label_maps: torch.Tensor) -> Self:
        """A sample of an image and its `label_maps`."""
        return cls(image, *label_maps)


class Transform(Protocol[Params]):
    """A random transform in two halves, so that what is drawn can be tested, replayed and skipped without arrays."""

    def draw(self, rng: np.random.Generator, channels: int) -> Params | None:
        """Draw the parameters for one sample; None leaves it as it is."""
        ...

    def apply(self, sample: Sample, params: Params) -> Sample:
        """Apply parameters to a sample, which may be changed in place. Nothing is drawn here."""
        ...


def happens(rng: np.random.Generator, probability: float) -> bool:
    """Whether something of that probability happens."""
    return bool(rng.random() < probability)


def draw_channels(rng: np.random.Generator, channels: int, probability: float) -> tuple[int, ...]:
    """Channels that each are taken with that probability."""
    return tuple(np.flatnonzero(rng.random(channels) < probability).tolist())


def draw_factor(rng: np.random.Generator, limits: Range) -> float:
    """A factor of which half of the draws lie below 1 and half above, each half uniformly.

    Where the range lies above 1 altogether it is uniform.
    """
    low, high = limits
    if low < 1 and happens(rng, 0.5):
        return float(rng.uniform(low, 1))
    return float(rng.uniform(max(low, 1), high))
