"""Draw a slice of an image in gray, with its label map in colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.pictures.colours import label_colour

Picture = npt.NDArray[np.uint8]
"""(y, x, 3)."""


def shown_slice(label: LabelArray) -> int:
    """Return the index on the first axis of the slice of a label map (z, y, x) with the most foreground voxels."""
    return int(np.argmax((label > 0).sum(axis=(1, 2))))


def draw_slice(
    plane: npt.NDArray[Any],
    label: LabelArray | None,
    *,
    percentiles: tuple[float, float],
    opacity: float,
) -> Picture:
    """Return a slice in gray, with each foreground label in its `label_colour` over it: (y, x, 3) uint8.

    Args:
        plane: (y, x), any numeric dtype.
        label: (y, x), any integer dtype; None for the image alone.
        percentiles: the percentiles of the plane that become black and white.
        opacity: the opacity of the colours, 0 to 1.
    """
    low, high = np.percentile(plane.astype(np.float32), percentiles)
    gray = np.clip((plane.astype(np.float32) - low) / max(float(high - low), 1e-6), 0, 1)
    picture = np.repeat(gray[..., None], 3, axis=2)
    for value in [] if label is None else np.unique(label[label > 0]).tolist():
        inside = label == value
        picture[inside] = (1 - opacity) * picture[inside] + opacity * np.array(label_colour(value), np.float32) / 255
    drawn: Picture = np.round(255 * picture).astype(np.uint8)
    return drawn
