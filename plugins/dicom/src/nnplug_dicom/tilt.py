"""Correct the shear of series that a tilted gantry acquired: slices are shifted within their plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import shift

from nnplug_dicom.stack import Stack

Voxels = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Upright:
    """A grid at right angles that holds all shifted slices; its slices are those of the stack.

    Attributes:
        shape: slices, rows, columns.
        first: the place (row, column) of the grid's first pixel in the first slice, whole pixels, at most 0.
    """

    shape: tuple[int, int, int]
    first: tuple[int, int]

    @classmethod
    def around(cls, stack: Stack) -> Upright:
        """Return the smallest grid that holds all slices of a stack."""
        low, high = np.floor(stack.shifts.min(axis=0) + 1e-6), np.ceil(stack.shifts.max(axis=0) - 1e-6)
        rows, columns = (int(extra) for extra in high - low)
        count, height, width = stack.shape
        return cls((count, height + rows, width + columns), (int(low[0]), int(low[1])))

    def corrected_labels(self, labels: npt.NDArray[np.int16], stack: Stack) -> npt.NDArray[np.int16]:
        """Return labels (slices, rows, columns) on the grid, of the nearest pixels; outside is 0."""
        result = np.zeros(self.shape, np.int16)
        for number, moved in enumerate(np.rint(stack.shifts - self.first).astype(int)):
            rows, columns = moved
            result[number, rows : rows + stack.shape[1], columns : columns + stack.shape[2]] = labels[number]
        return result

    def corrected(self, voxels: Voxels, stack: Stack) -> Voxels:
        """Return voxels (slices, rows, columns) on the grid, interpolated linearly; outside is their minimum."""
        fill = float(voxels.min())
        result = np.full(self.shape, fill, np.float32)
        for number, moved in enumerate(stack.shifts - self.first):
            padded = np.full(self.shape[1:], fill, np.float32)
            padded[: stack.shape[1], : stack.shape[2]] = voxels[number]
            exact = np.rint(moved)
            moved = np.where(np.abs(moved - exact) < 1e-3, exact, moved)  # noqa: PLW2901 - rounding of positions
            result[number] = shift(padded, moved, order=1, mode="constant", cval=fill)
        return result


def angle(stack: Stack) -> float:
    """Return the tilt in degrees."""
    rows, columns = stack.shifts[-1] * stack.pixel
    return math.degrees(math.atan2(math.hypot(rows, columns), stack.step * (len(stack.files) - 1)))
