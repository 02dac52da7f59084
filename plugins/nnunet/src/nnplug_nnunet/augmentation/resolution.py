"""Blur and low resolution: a matrix per axis, drawn for some of the channels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nnplug_nnunet.augmentation.sample import Range, Sample, draw_channels, happens
from nnplug_nnunet.augmentation.separable import apply_matrices, blur, low_resolution


@dataclass(frozen=True)
class GaussianBlur:
    """Blurs some channels.

    Attributes:
        p: probability per sample.
        p_channel: probability per channel of such a sample.
        sigma: range in voxels, drawn for each channel and axis.
        axes: spatial axes of the patch.
    """

    p: float
    p_channel: float
    sigma: Range
    axes: int

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, tuple[float, ...]] | None:
        """Channel -> sigma per axis."""
        if not happens(rng, self.p):
            return None
        chosen = draw_channels(rng, channels, self.p_channel)
        return {c: tuple(rng.uniform(*self.sigma, self.axes).tolist()) for c in chosen}

    def apply(self, sample: Sample, params: Mapping[int, tuple[float, ...]]) -> Sample:
        """Blur."""
        for c, sigmas in params.items():
            channel = sample.image[c]
            channel.copy_(apply_matrices(channel, [blur(*axis) for axis in zip(channel.shape, sigmas, strict=True)]))
        return sample


@dataclass(frozen=True)
class LowResolution:
    """Samples some channels down by the nearest voxel and up again.

    Attributes:
        p: probability per sample.
        p_channel: probability per channel of such a sample.
        zoom: range of the factor, one for all axes of a channel.
        spared_axes: as many of the first axes keep their resolution.
        cubic: whether channels come up by cubic splines instead of linearly.
    """

    p: float
    p_channel: float
    zoom: Range
    spared_axes: int
    cubic: bool

    def draw(self, rng: np.random.Generator, channels: int) -> Mapping[int, float] | None:
        """Channel -> zoom."""
        if not happens(rng, self.p):
            return None
        return {c: float(rng.uniform(*self.zoom)) for c in draw_channels(rng, channels, self.p_channel)}

    def apply(self, sample: Sample, params: Mapping[int, float]) -> Sample:
        """Lower the resolution."""
        for c, zoom in params.items():
            channel = sample.image[c]
            sizes = channel.shape[self.spared_axes :]
            matrices = [low_resolution(n, max(1, round(n * zoom)), cubic=self.cubic) for n in sizes]
            lowered = apply_matrices(channel, matrices)
            if self.cubic:  # splines overshoot
                lowered = lowered.clamp_(*map(float, channel.aminmax()))
            channel.copy_(lowered)
        return sample
