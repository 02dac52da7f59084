"""The standard deviation of large arrays, with little memory and numpy's bits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_PART = 1 << 22
"""Values that are summed at once."""


def standard_deviation(values: npt.NDArray[np.floating[Any]], *, part: int = _PART) -> float:
    """Return `values.std(dtype=np.float64)`, bit for bit. numpy holds 8 bytes per value for it, here a part of them.

    Args:
        values: any shape, contiguous in C's order.
        part: the largest number of values that are summed at once.
    """
    flat = values.reshape(-1)
    mean = values.mean(dtype=np.float64)
    return math.sqrt(_sum_of_squares(flat, mean, part) / flat.size)


def _sum_of_squares(flat: npt.NDArray[Any], mean: np.float64, part: int) -> float:
    """Return the sum of squared differences from the mean, of halves as numpy's pairwise sum divides them."""
    if flat.size <= part:
        difference = flat - np.full(1, mean)
        return float(np.multiply(difference, difference, out=difference).sum())
    half = flat.size // 2
    half -= half % 8
    return _sum_of_squares(flat[:half], mean, part) + _sum_of_squares(flat[half:], mean, part)
