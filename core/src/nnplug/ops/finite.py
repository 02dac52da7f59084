"""Tell whether an image has NaN or infinite values."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def is_finite(image: npt.NDArray[np.floating[Any]]) -> bool:
    """Return whether all values of an array of any shape are finite.

    The sum of a finite array is finite unless it overflows, and takes a fifth of the time of looking at each value.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(image.sum()) or np.isfinite(image).all())
