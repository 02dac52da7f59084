"""A slice of an image in gray with its label map in colours: what every picture of label maps is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Colour = tuple[float, float, float]
"""Red, green and blue, 0 to 1."""
Picture = npt.NDArray[np.uint8]
"""(y, x, 3)."""


def shown_slice(label: npt.NDArray[np.integer[Any]]) -> int:
    """Return the number of the slice across the first axis of a label map (z, y, x) that has most foreground."""
    return int(np.argmax((label > 0).sum(axis=(1, 2))))


def draw_slice(
    plane: npt.NDArray[Any],
    label: npt.NDArray[np.integer[Any]] | None,
    *,
    percentiles: tuple[float, float],
    opacity: float,
    colour: Callable[[int], Colour],
) -> Picture:
    """Return a slice in gray, and over it each label in its colour; the background stays as it is.

    Args:
        plane: (y, x), the image in its own units.
        label: (y, x), label values; None for the image alone.
        percentiles: of the plane, which become black and white.
        opacity: of the colours, 0 to 1.
        colour: gives the colour of a label value.
    """
    low, high = np.percentile(plane.astype(np.float32), percentiles)
    gray = np.clip((plane.astype(np.float32) - low) / max(float(high - low), 1e-6), 0, 1)
    picture = np.repeat(gray[..., None], 3, axis=2)
    for value in [] if label is None else np.unique(label[label > 0]).tolist():
        inside = label == value
        picture[inside] = (1 - opacity) * picture[inside] + opacity * np.array(colour(value), np.float32)
    drawn: Picture = np.round(255 * picture).astype(np.uint8)
    return drawn
