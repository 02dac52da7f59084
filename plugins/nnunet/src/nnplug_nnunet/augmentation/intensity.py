"""Noise, brightness, contrast and gamma: pointwise transforms of the image, computed in place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nnplug_nnunet.augmentation.sample import (
    ChannelTransform,
    Range,
    Sample,
    column,
    draw_channels,
    draw_factor,
    happens,
)

_SMALL = 1e-7


@dataclass(frozen=True)
class Noise:
    """Standard deviation of noise, and the seed of its values."""

    sigma: float
    seed: int


@dataclass(frozen=True)
class GaussianNoise(ChannelTransform[Noise]):
    """Adds Gaussian noise, of one strength for all channels.

    Attributes:
        p: probability.
        sigma: range of the standard deviation. nnU-Net calls it a variance and uses it as this.
    """

    p: float
    sigma: Range

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, Noise] | None:
        """Strength, and a seed per channel."""
        if not happens(rng, self.p):
            return None
        sigma = float(rng.uniform(*self.sigma))
        return {channel: Noise(sigma, int(rng.integers(2**63))) for channel in range(channels)}

    def change(self, volumes: torch.Tensor, values: Sequence[Noise]) -> None:
        """Add the noise; each kind of device has its own numbers."""
        for volume, noise in zip(volumes, values, strict=True):
            source = torch.Generator(volumes.device).manual_seed(noise.seed)
            volume.add_(torch.randn(volume.shape, generator=source, device=volumes.device), alpha=noise.sigma)


@dataclass(frozen=True)
class PerChannel(ChannelTransform[float]):
    """Draws a factor for each channel, half of them below 1."""

    p: float
    limits: Range

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, float] | None:
        """A factor per channel."""
        if not happens(rng, self.p):
            return None
        return {channel: draw_factor(rng, self.limits) for channel in range(channels)}


class Brightness(PerChannel):
    """Multiplies each channel."""

    def change(self, volumes: torch.Tensor, values: Sequence[float]) -> None:
        """Multiply."""
        volumes.mul_(column(values, volumes))


class Contrast(PerChannel):
    """Spreads or narrows each channel around its mean, within its range."""

    def change(self, volumes: torch.Tensor, values: Sequence[float]) -> None:
        """Scale about the mean, clip to the former range."""
        voxels, factors = volumes.flatten(1), column(values, volumes.flatten(1))
        low, high = _limits(voxels)
        mean = voxels.mean(1, keepdim=True)
        voxels.sub_(mean).mul_(factors).add_(mean).clamp_(low, high)


@dataclass(frozen=True)
class Gamma(PerChannel):
    """Raises each channel, scaled to 0..1, to a power, and gives it back its mean and standard deviation.

    Attributes:
        inverted: whether that is done to the negative of the image.
    """

    inverted: bool

    def change(self, volumes: torch.Tensor, values: Sequence[float]) -> None:
        """Apply the powers."""
        voxels = volumes.flatten(1)
        if self.inverted:
            voxels.neg_()
        _gamma(voxels, column(values, voxels))
        if self.inverted:
            voxels.neg_()


def _gamma(voxels: torch.Tensor, gamma: torch.Tensor) -> None:
    mean = voxels.mean(1, keepdim=True)
    spread = _norm(voxels.sub_(mean))
    low, high = _limits(voxels)
    voxels.sub_(low).div_((high - low).clamp(min=_SMALL))
    voxels.log_().mul_(gamma).exp_()  # half the time of pow
    voxels.sub_(voxels.mean(1, keepdim=True))
    voxels.mul_(spread / _norm(voxels).clamp(min=_SMALL)).add_(mean)


def _limits(voxels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The lowest and the highest value of each row, (N, 1)."""
    if len(voxels) == 1:  # all of one tensor at once is many times faster on a CPU than along an axis
        low, high = torch.aminmax(voxels)
        return low.view(1, 1), high.view(1, 1)
    return voxels.amin(1, keepdim=True), voxels.amax(1, keepdim=True)


def _norm(centred: torch.Tensor) -> torch.Tensor:
    """The standard deviation times a constant, in a third of the time of `std`, and exact unlike `vector_norm`."""
    return centred.square().sum(1, keepdim=True).sqrt()


@dataclass(frozen=True)
class AdditiveBrightness(ChannelTransform[float]):
    """Adds a normally distributed number to each channel.

    Attributes:
        p: probability per sample.
        p_channel: probability per channel of such a sample.
        sigma: standard deviation of the number.
    """

    p: float
    p_channel: float
    sigma: float

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, float] | None:
        """Channel -> what is added to it."""
        if not happens(rng, self.p):
            return None
        return {c: float(rng.normal(0, self.sigma)) for c in draw_channels(rng, channels, self.p_channel)}

    def change(self, volumes: torch.Tensor, values: Sequence[float]) -> None:
        """Add."""
        volumes.add_(column(values, volumes))


@dataclass(frozen=True)
class MaskOutside:
    """Sets some channels to 0 outside the nonzero mask, where their normalisation had put 0.

    Attributes:
        channels: those channels.
    """

    channels: tuple[int, ...]

    def apply(self, sample: Sample) -> Sample:
        """Zero where the label is negative."""
        self.clear(sample.image[None], sample.label[None])
        return sample

    def clear(self, image: torch.Tensor, label: torch.Tensor) -> None:
        """The same in a batch (B, C, *size) with labels (B, *size), in place."""
        outside = label < 0
        for channel in self.channels:
            image[:, channel].masked_fill_(outside, 0)
