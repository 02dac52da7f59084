"""The component `foreign-range` of kind normalizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nnplug.contracts import Normalizer
from nnplug.plans.fingerprint import IntensityStats


@dataclass(frozen=True, kw_only=True)
class Range(Normalizer):
    """Maps two percentiles of the dataset's foreground, or without statistics the extremes of the image, to 0 and 1.

    Attributes:
        top: the value that the upper one becomes, instead of 1.
    """

    zeroes_outside_mask: ClassVar[bool] = True

    top: float = 1.0

    def normalize(
        self, image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_] | None, intensity: IntensityStats | None
    ) -> npt.NDArray[np.float32]:
        """See `nnplug.contracts.Normalizer`; values outside the two percentiles go below 0 and above 1."""
        low, high = float(image.min()), float(image.max())
        if intensity is not None:
            low, high = intensity.percentile_00_5, intensity.percentile_99_5
        image -= np.float32(low)
        image *= np.float32(self.top / max(high - low, 1e-6))
        if mask is not None:
            image[~mask] = 0
        return image
