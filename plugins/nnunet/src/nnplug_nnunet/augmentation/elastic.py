"""Elastic deformation: smoothed noise displaces every voxel of the patch's grid.

The rule is `augment_spatial_2` of batchgenerators. Noise comes from a seed instead of numpy's global generator, so that
a sample can be replayed and threads do not interfere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import fft, ndimage

from nnplug_nnunet.augmentation.sample import Range, on_device

WEAKEST, STRONGEST = 1 / 8, 1 / 2
"""Range of the largest displacement along an axis, relative to its smoothing; more would fold the image."""


@dataclass(frozen=True)
class Elastic:
    """An elastic deformation.

    Attributes:
        sigmas: standard deviations of the Gaussian that smooths the noise, voxels per axis.
        magnitudes: the largest displacement, voxels per axis.
        seed: the seed of the noise.
    """

    sigmas: tuple[float, ...]
    magnitudes: tuple[float, ...]
    seed: int

    @classmethod
    def draw(cls, rng: np.random.Generator, scale: Range, size: Sequence[int]) -> Elastic:
        """Draw a deformation.

        Args:
            rng: the source of randomness.
            scale: range of the smoothing relative to the patch size, one draw for all axes.
            size: size of the patch, voxels.
        """
        sigmas = rng.uniform(*scale) * np.array(size, float)
        magnitudes = rng.uniform(WEAKEST * sigmas, STRONGEST * sigmas)
        return cls(tuple(sigmas.tolist()), tuple(magnitudes.tolist()), int(rng.integers(2**63)))

    def offsets(self, size: Sequence[int]) -> list[torch.Tensor]:
        """Return the displacements in voxels, one float32 tensor (*size) for each axis; their means are 0."""
        rng = np.random.default_rng(self.seed)
        noise = (2 * rng.random(tuple(size), np.float32) - 1 for _ in size)
        return [torch.from_numpy(smooth(n, self.sigmas, m)) for n, m in zip(noise, self.magnitudes, strict=True)]

    def field(self, size: Sequence[int], device: torch.device) -> torch.Tensor:
        """Return the displacements as one tensor (axes, *size) that the device computes; it is not waited for.

        They are those of `offsets` on a CPU; another device draws other noise.
        """
        noise = 2 * self._noise(size, device) - 1
        axes = tuple(range(1, noise.ndim))
        spectrum = torch.fft.rfftn(noise, dim=axes)
        for axis, (n, sigma) in enumerate(zip(size, self.sigmas, strict=True), start=1):
            frequencies = np.fft.rfftfreq(n) if axis == len(size) else np.fft.fftfreq(n)
            kernel = np.exp(-2 * (np.pi * sigma * frequencies) ** 2).astype(np.float32)
            spectrum = spectrum * on_device(kernel, device).view(-1, *(1,) * (len(size) - axis))
        smoothed: torch.Tensor = torch.fft.irfftn(spectrum, tuple(size), axes)
        largest = on_device(np.array(self.magnitudes, np.float32), device).view(-1, *(1,) * len(size))
        smoothed = smoothed * (largest / smoothed.abs().amax(axes, keepdim=True))
        return smoothed - smoothed.mean(axes, keepdim=True)

    def _noise(self, size: Sequence[int], device: torch.device) -> torch.Tensor:
        """Return uniform draws (axes, *size) from 0 to 1."""
        shape = (len(size), *size)
        if device.type == "cpu":
            rng = np.random.default_rng(self.seed)
            return torch.from_numpy(np.stack([rng.random(tuple(size), np.float32) for _ in size]))
        return torch.rand(shape, generator=torch.Generator(device).manual_seed(self.seed), device=device)


def smooth(noise: npt.NDArray[np.float32], sigmas: Sequence[float], magnitude: float) -> npt.NDArray[np.float32]:
    """Smooth noise (*size) float32 periodically, scale its largest value to the magnitude, and subtract its mean."""
    spectrum = ndimage.fourier_gaussian(fft.rfftn(noise), sigmas, n=noise.shape[-1])
    smoothed: npt.NDArray[np.float32] = fft.irfftn(spectrum, noise.shape).astype(np.float32, copy=False)
    smoothed *= magnitude / np.abs(smoothed).max()
    smoothed -= smoothed.mean()
    return smoothed
