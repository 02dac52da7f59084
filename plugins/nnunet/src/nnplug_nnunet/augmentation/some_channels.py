"""Transforms that change each channel with a probability: filters, contrast, and one of several transforms."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import pad

from nnplug_nnunet.augmentation.resolution import GaussianBlur
from nnplug_nnunet.augmentation.sample import (
    ChannelTransform,
    Range,
    Value,
    column,
    draw_channels,
    draw_factor,
    happens,
)


@dataclass(frozen=True)
class SomeChannels(ChannelTransform[Value]):
    """A transform of some channels, each with a value of its own.

    Attributes:
        p: probability per sample.
        p_channel: probability per channel of such a sample.
    """

    p: float
    p_channel: float

    @abstractmethod
    def value(self, rng: np.random.Generator) -> Value:
        """Draw the value of one channel."""

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, Value] | None:
        """Draw channel -> value."""
        if not happens(rng, self.p):
            return None
        return {channel: self.value(rng) for channel in draw_channels(rng, channels, self.p_channel)}


@dataclass(frozen=True)
class OneOf(ChannelTransform[tuple[int, Any]]):
    """One of several transforms, each with the same chance, which then has its own probability."""

    choices: tuple[ChannelTransform[Any], ...]

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, tuple[int, Any]] | None:
        """Draw channel -> index of the transform, and its value."""
        index = int(rng.integers(len(self.choices)))
        drawn = self.choices[index].draw(rng, channels)
        return None if drawn is None else {channel: (index, value) for channel, value in drawn.items()}

    def change(self, volumes: torch.Tensor, values: Sequence[tuple[int, Any]]) -> None:
        """Change each of (N, *size) volumes in place by its transform."""
        for row, (index, value) in enumerate(values):
            self.choices[index].change(volumes[row : row + 1], [value])


@dataclass(frozen=True)
class EvenBlur(GaussianBlur):
    """Gaussian blur of some channels, as wide along every axis."""

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, tuple[float, ...]] | None:
        """Draw channel -> sigma per axis."""
        if not happens(rng, self.p):
            return None
        chosen = draw_channels(rng, channels, self.p_channel)
        return {channel: (float(rng.uniform(*self.sigma)),) * self.axes for channel in chosen}


@dataclass(frozen=True)
class MedianFilter(SomeChannels[int]):
    """A median filter of some channels.

    Attributes:
        widths: smallest and largest width of the window, voxels.
    """

    widths: tuple[int, int]

    def value(self, rng: np.random.Generator) -> int:
        """Draw the width of the window."""
        return int(rng.integers(self.widths[0], self.widths[1] + 1))

    def change(self, volumes: torch.Tensor, values: Sequence[int]) -> None:
        """Filter (N, *size) volumes in place; values outside are mirrored with the border voxel."""
        from scipy.ndimage import median_filter

        for volume, width in zip(volumes, values, strict=True):
            volume.copy_(torch.from_numpy(median_filter(volume.cpu().numpy(), size=width)))


@dataclass(frozen=True)
class SomeContrast(SomeChannels[float]):
    """Scaling of some channels around their means.

    Attributes:
        limits: range of the factor; half of the draws below 1.
        clipped: whether a channel keeps its range.
    """

    limits: Range
    clipped: bool

    def value(self, rng: np.random.Generator) -> float:
        """Draw the factor."""
        return draw_factor(rng, self.limits)

    def change(self, volumes: torch.Tensor, values: Sequence[float]) -> None:
        """Scale (N, *size) volumes in place."""
        axes = tuple(range(1, volumes.ndim))
        low, high = volumes.amin(axes, keepdim=True), volumes.amax(axes, keepdim=True)
        mean = volumes.mean(axes, keepdim=True)
        volumes.sub_(mean).mul_(column(values, volumes)).add_(mean)
        if self.clipped:
            volumes.clamp_(low, high)


@dataclass(frozen=True)
class Sharpening(SomeChannels[float]):
    """Sharpening of some channels: each voxel's difference from its neighbours along the axes is enlarged.

    Attributes:
        strength: range of the factor on the sum of the differences.
    """

    strength: Range

    def value(self, rng: np.random.Generator) -> float:
        """Draw the factor."""
        return float(rng.uniform(*self.strength))

    def change(self, volumes: torch.Tensor, values: Sequence[float]) -> None:
        """Sharpen (N, *size) volumes in place; a voxel at the border has itself as its neighbour outside."""
        axes = volumes.ndim - 1
        padded = pad(volumes[:, None], (1, 1) * axes, mode="replicate")[:, 0]
        differences = volumes * (2 * axes)
        for axis in range(1, axes + 1):
            for start in (0, 2):
                middle = [slice(None), *(slice(1, -1),) * axes]
                middle[axis] = slice(start, start + volumes.shape[axis])
                differences.sub_(padded[tuple(middle)])
        volumes.addcmul_(differences, column(values, volumes))
