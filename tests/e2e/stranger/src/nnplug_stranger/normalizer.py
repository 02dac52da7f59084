"""A normalizer: standardised, outliers squeezed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from nnplug.plans.fingerprint import IntensityStats


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """Standardised, then squeezed to a range about 0."""

    zeroes_outside_mask: ClassVar[bool] = False
    limit: float = 5.0

    def normalize(self, image: np.ndarray, mask: np.ndarray | None, intensity: IntensityStats | None) -> np.ndarray:
        """Return the image with values between minus and plus `limit`."""
        inside = image if mask is None else image[mask]
        scaled = (image - inside.mean()) / max(float(inside.std()), 1e-8)
        return (self.limit * np.tanh(scaled / self.limit)).astype(np.float32)
