"""Outlines of masks as polygons, and masks of polygons."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import numpy.typing as npt
from contourpy import LineType, contour_generator

Points = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def outlines(mask: Mask) -> list[Points]:
    """Return polygons around a mask (rows, columns), between its pixels and the others: points (column, row).

    The polygon of a part with holes is one line: it goes into each hole and back along the same way, because many
    programs fill every polygon of a structure.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return []
    first = np.array([columns[0], rows[0]])
    padded = np.pad(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], 1).astype(np.float64)
    generator = contour_generator(z=padded, line_type=LineType.Separate, name="serial")
    found = cast("list[Points]", generator.lines(0.5))  # what LineType.Separate gives
    lines = [line[:-1] - 1 + first for line in found]
    areas = [_area(line) for line in lines]
    outer = [line for line, area in zip(lines, areas, strict=True) if area > 0]
    holes = [line for line, area in zip(lines, areas, strict=True) if area < 0]
    order = sorted(range(len(outer)), key=lambda i: _area(outer[i]))
    for hole in sorted(holes, key=lambda line: -float(line[:, 0].max())):
        home = next(i for i in order if _holds(outer[i], hole))
        outer[home] = _joined(outer[home], hole)
    return outer


def _area(line: Points) -> float:
    """Return the signed area: positive if the mask is on the left of the line, in axes (column, row)."""
    x, y = line.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


def _holds(line: Points, other: Points) -> bool:
    """Return whether a polygon contains a point of another that does not cross it."""
    x, y = other[0]
    (x0, y0), (x1, y1) = line.T, np.roll(line, -1, axis=0).T
    crosses = (y0 > y) != (y1 > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        right = x < x0 + (y - y0) * (x1 - x0) / (y1 - y0)
    return bool(np.count_nonzero(crosses & right) % 2)


def _joined(line: Points, hole: Points) -> Points:
    """Return one polygon of a polygon and a hole, joined where they are nearest."""
    distances = ((line[:, None] - hole[None]) ** 2).sum(axis=2)
    there, back = np.unravel_index(np.argmin(distances), distances.shape)
    around = np.concatenate([hole[back:], hole[: back + 1]])
    return np.concatenate([line[: there + 1], around, line[there:]])


def filled(polygons: Iterable[Points], shape: tuple[int, int]) -> Mask:
    """Return the mask (rows, columns) of the pixels whose centres are in an odd number of polygons (column, row)."""
    flips = np.zeros((shape[0], shape[1] + 1), np.bool_)
    for line in polygons:
        for (x0, y0), (x1, y1) in zip(line, np.roll(line, -1, axis=0), strict=True):
            low, high = sorted((y0, y1))
            rows = np.arange(max(int(np.ceil(low)), 0), min(int(np.ceil(high)), shape[0]))
            if len(rows):
                crossing = x0 + (rows - y0) * (x1 - x0) / (y1 - y0)
                columns = np.clip(np.ceil(crossing), 0, shape[1]).astype(np.int64)
                flips[rows, columns] ^= True
    return np.logical_xor.accumulate(flips, axis=1)[:, :-1]
