"""Compare where two files lie: arrays are matched voxel by voxel, so both must store their voxels in one order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnplug.errors import InvalidFile
from nnplug.io.geometry import Geometry, same_spacing

_TOWARDS = (("R", "L"), ("A", "P"), ("I", "S"))
"""The sides that an axis can point to, for negative and positive direction cosines in ITK's axes."""

_DIRECTION_TOLERANCE = 1e-4
_ORIGIN_TOLERANCE = 1e-3
"""In mm, or in voxels where these are larger: label maps of other programs have rounded origins."""

Matrix = npt.NDArray[np.float64]


def orientation(geometry: Geometry) -> str | None:
    """Return the sides that the axes x, y, z of a volume point to, such as "RAS"; None for 2D images."""
    if geometry.dimensions != 3:
        return None
    axes, signs = _nearest_axes(_cosines(geometry))
    return "".join(_TOWARDS[axis][sign > 0] for axis, sign in zip(axes, signs, strict=True))


def check_order(path: Path, geometry: Geometry, other: Path, reference: Geometry) -> None:
    """Raise if two files have the same region of the body, but store its voxels in another order.

    Args:
        path: the file that is named first, such as a label map.
        geometry: its geometry.
        other: the file that it must match, such as its image.
        reference: the geometry of `other`.

    Raises:
        InvalidFile: an axis is flipped, or axes are exchanged; the message names both files and their orientations.
    """
    if geometry.dimensions != reference.dimensions or _has_same_order(geometry, reference):
        return
    if _covers_same_region(geometry, reference):
        ours, theirs = (orientation(g) or _rounded(g.direction) for g in (geometry, reference))
        raise InvalidFile(
            f"{path}: stores the same region as {other} with other axes: {ours} (directions "
            f"{_rounded(geometry.direction)}) against {theirs} ({_rounded(reference.direction)}). Voxels are matched "
            f"by their index, so save both with the same axes, such as those of {other.name}."
        )


def check_same_grid(path: Path, geometry: Geometry, other: Path, reference: Geometry) -> None:
    """Raise unless the voxels of two files can be matched by their index; the arguments are those of `check_order`.

    Raises:
        InvalidFile: the shapes or the orders of the voxels differ; the message names both files.
    """
    check_order(path, geometry, other, reference)
    if geometry.shape != reference.shape:
        shapes = f"has shape {geometry.shape}, {other} has {reference.shape} (z, y, x)"
        raise InvalidFile(f"{path}: {shapes}. Save the label map on the grid of the image.")


def displacements(path: Path, geometry: Geometry, other: Path, reference: Geometry) -> tuple[str, ...]:
    """Return a line for each difference in spacing, origin and direction of two files of one shape, for warnings."""
    lines: list[tuple[str, tuple[float, ...], tuple[float, ...], str]] = []
    if not same_spacing(geometry, reference):
        lines.append(("spacing", geometry.spacing, reference.spacing, " mm"))
    if len(geometry.origin) == len(reference.origin):
        tolerance = max(_ORIGIN_TOLERANCE, 0.01 * min(reference.file_spacing))
        if not np.allclose(geometry.origin, reference.origin, rtol=0, atol=tolerance):
            lines.append(("origin", geometry.origin, reference.origin, " mm"))
        if not np.allclose(geometry.direction, reference.direction, rtol=0, atol=_DIRECTION_TOLERANCE):
            lines.append(("direction", geometry.direction, reference.direction, ""))
    return tuple(
        f"{path}: has {what} {_rounded(a)}, {other} has {_rounded(b)}{unit}; voxels are matched by their index, make "
        "sure in a viewer that both overlap"
        for what, a, b, unit in lines
    )


def _cosines(geometry: Geometry) -> Matrix:
    return np.reshape(geometry.direction, (geometry.dimensions, geometry.dimensions)).astype(np.float64)


def _nearest_axes(matrix: Matrix) -> tuple[list[int], list[float]]:
    """Return for each column the row of its largest cosine, every row once, and the sign there."""
    left, found, signs = np.abs(matrix), [-1] * len(matrix), [0.0] * len(matrix)
    for _ in range(len(matrix)):
        row, column = np.unravel_index(np.argmax(left), left.shape)
        found[column], signs[column] = int(row), float(np.sign(matrix[row, column]))
        left[row, :], left[:, column] = -1, -1
    return found, signs


def _has_same_order(a: Geometry, b: Geometry) -> bool:
    axes, signs = _nearest_axes(_cosines(b).T @ _cosines(a))
    return axes == sorted(axes) and min(signs) > 0


def _covers_same_region(a: Geometry, b: Geometry) -> bool:
    """Return whether two volumes have one centre, up to a voxel, and the same size along each axis of the body."""
    spacing = max(*a.file_spacing, *b.file_spacing)
    axes, _ = _nearest_axes(_cosines(b).T @ _cosines(a))
    same_size = np.allclose(_lengths(a), _lengths(b)[axes], rtol=0, atol=spacing)
    return bool(same_size and np.allclose(_centre(a), _centre(b), rtol=0, atol=spacing))


def _lengths(geometry: Geometry) -> Matrix:
    """Return the size along the axes of the file, in mm."""
    size = np.array(geometry.shape[::-1][: geometry.dimensions])
    lengths: Matrix = size * np.array(geometry.file_spacing)
    return lengths


def _centre(geometry: Geometry) -> Matrix:
    size = np.array(geometry.shape[::-1][: geometry.dimensions])
    halves = (size - 1) / 2 * np.array(geometry.file_spacing)
    centre: Matrix = np.array(geometry.origin) + _cosines(geometry) @ halves
    return centre


def _rounded(numbers: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(number, 4) + 0.0 for number in numbers)
