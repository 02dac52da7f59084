"""The parts that all transforms share: a sample, the two halves of a transform, and random draws."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import torch

Range = tuple[float, float]
"""Lowest and highest value of a uniform draw."""

Params = TypeVar("Params")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Sample:
    """A patch between two transforms.

    Attributes:
        image: (C, *size) float32; no other object uses it, so that intensity transforms compute in place.
        label: (*size) int16; -1 outside the nonzero mask and outside the image.
        previous: (*size) int16, prediction of the previous stage of a cascade; None without one.
    """

    image: torch.Tensor
    label: torch.Tensor
    previous: torch.Tensor | None = None

    @property
    def label_maps(self) -> torch.Tensor:
        """The label maps that move with the image: (1, *size) or, in a cascade, (2, *size)."""
        return self.label[None] if self.previous is None else torch.stack((self.label, self.previous))

    @classmethod
    def of(cls, image: torch.Tensor, label_maps: torch.Tensor) -> Self:
        """Return a sample of an image (C, *size) and its `label_maps`."""
        return cls(image, *label_maps)


class Transform(Protocol[Params]):
    """A random transform in two halves: draws can be tested, replayed and skipped without arrays."""

    def draw(self, rng: np.random.Generator, channels: int) -> Params | None:
        """Draw the parameters for one sample; None leaves the sample unchanged."""
        ...

    def apply(self, sample: Sample, params: Params) -> Sample:
        """Apply parameters to a sample, which may be changed in place, without randomness."""
        ...


class ChannelTransform(ABC, Generic[Value]):
    """A transform of image channels alone, with one value per channel, for one sample or a whole batch."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, Value] | None:
        """Draw the channels that change, each with its value; None leaves the sample unchanged."""

    @abstractmethod
    def change(self, volumes: torch.Tensor, values: Sequence[Value]) -> None:
        """Change channels of any samples in place.

        Args:
            volumes: (N, *size) float32, on any device.
            values: one value per volume.
        """

    def apply(self, sample: Sample, params: Mapping[int, Value]) -> Sample:
        """Change a sample channel by channel, so that the data fit into a processor's cache."""
        for channel, value in params.items():
            self.change(sample.image[channel : channel + 1], [value])
        return sample


def column(values: Sequence[float], volumes: torch.Tensor) -> torch.Tensor:
    """Return one number per volume as (N, 1, .., 1), which broadcasts to N volumes."""
    return on_device(np.array(values, np.float32), volumes.device).view(-1, *(1,) * (volumes.dim() - 1))


def on_device(array: npt.NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return the array as a tensor on the device; page-locked memory lets a GPU compute during the copy."""
    tensor = torch.from_numpy(array)
    pinned = tensor.pin_memory() if device.type == "cuda" else tensor
    return pinned.to(device, non_blocking=True)


def happens(rng: np.random.Generator, probability: float) -> bool:
    """Draw whether an event of this probability happens."""
    return bool(rng.random() < probability)


def draw_channels(rng: np.random.Generator, channels: int, probability: float) -> tuple[int, ...]:
    """Draw the channels; each is chosen with this probability."""
    return tuple(np.flatnonzero(rng.random(channels) < probability).tolist())


def draw_factor(rng: np.random.Generator, limits: Range) -> float:
    """Draw a factor: below 1 or above 1 with equal probability, uniformly on each side.

    If the whole range lies above 1, the draw is uniform.
    """
    low, high = limits
    if low < 1 and happens(rng, 0.5):
        return float(rng.uniform(low, 1))
    return float(rng.uniform(max(low, 1), high))
