"""Blur and low resolution: a matrix per axis, drawn for some channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from nnplug_nnunet.augmentation.sample import ChannelTransform, Range, draw_channels, happens
from nnplug_nnunet.augmentation.separable import Matrix, apply_to_each, blur, low_resolution


@dataclass(frozen=True)
class GaussianBlur(ChannelTransform[tuple[float, ...]]):
    """Gaussian blur of some channels.

    Attributes:
        p: probability per sample.
        p_channel: probability per channel of such a sample.
        sigma: range in voxels, drawn for each channel and axis.
        axes: number of spatial axes of the patch.
    """

    p: float
    p_channel: float
    sigma: Range
    axes: int

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, tuple[float, ...]] | None:
        """Draw channel -> sigma per axis."""
        if not happens(rng, self.p):
            return None
        chosen = draw_channels(rng, channels, self.p_channel)
        return {c: tuple(rng.uniform(*self.sigma, self.axes).tolist()) for c in chosen}

    def change(self, volumes: torch.Tensor, values: Sequence[tuple[float, ...]]) -> None:
        """Blur (N, *size) volumes in place."""
        sizes = volumes.shape[1:]
        volumes.copy_(
            apply_to_each(volumes, [[blur(*axis) for axis in zip(sizes, sigmas, strict=True)] for sigmas in values])
        )


@dataclass(frozen=True)
class LowResolution(ChannelTransform[float]):
    """Downsampling of some channels to the nearest voxel, and upsampling to the former size.

    Attributes:
        p: probability per sample.
        p_channel: probability per channel of such a sample.
        zoom: range of the factor, one for all axes of a channel.
        spared_axes: number of first axes that keep their resolution.
        cubic: whether upsampling uses cubic splines instead of linear interpolation.
    """

    p: float
    p_channel: float
    zoom: Range
    spared_axes: int
    cubic: bool

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, float] | None:
        """Draw channel -> zoom."""
        if not happens(rng, self.p):
            return None
        return {c: float(rng.uniform(*self.zoom)) for c in draw_channels(rng, channels, self.p_channel)}

    def change(self, volumes: torch.Tensor, values: Sequence[float]) -> None:
        """Lower the resolution of (N, *size) volumes in place."""
        sizes = volumes.shape[1 + self.spared_axes :]
        lowered = apply_to_each(volumes, [self._matrices(sizes, zoom) for zoom in values])
        if self.cubic:  # splines overshoot
            axes = tuple(range(1, volumes.dim()))
            lowered = lowered.clamp_(volumes.amin(axes, keepdim=True), volumes.amax(axes, keepdim=True))
        volumes.copy_(lowered)

    def _matrices(self, sizes: Sequence[int], zoom: float) -> list[Matrix]:
        return [low_resolution(n, max(1, round(n * zoom)), cubic=self.cubic) for n in sizes]
