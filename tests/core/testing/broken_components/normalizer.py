"""A sound normalizer, and normalizers that break one promise each."""

from __future__ import annotations

from typing import ClassVar

import numpy as np


class Sound:
    zeroes_outside_mask: ClassVar[bool] = True

    def normalize(self, image, mask, intensity):
        return self.scaled(image, np.ones_like(image, bool) if mask is None else mask)

    def scaled(self, image, mask):
        values = image[mask]
        return np.where(mask, (image - values.mean()) / max(values.std(), 1e-6), 0).astype(np.float32)


class IgnoresMask(Sound):
    """Measures the whole image, and then blackens what is outside, as if it had looked inside alone."""

    def scaled(self, image, mask):
        return np.where(mask, super().scaled(image, np.ones_like(mask)), np.float32(0))


class LeavesOutside(Sound):
    def scaled(self, image, mask):
        return super().scaled(image, mask) - 1


class Levels(Sound):
    """Gives all images the same grey."""

    def scaled(self, image, mask):
        return np.zeros_like(image)


class Noisy(Sound):
    def scaled(self, image, mask):
        noise = np.random.default_rng().normal(size=image.shape)
        return np.where(mask, super().scaled(image, mask) + noise, 0).astype(np.float32)


class Open(Sound):
    """Does not say that it heeds a mask."""

    zeroes_outside_mask: ClassVar[bool] = False
