"""The nonzero region of an image. Preprocessing crops every case to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage, sparse

SLAB = 1 << 27
"""Voxels that are labelled at once, with 4 bytes each."""

Mask = npt.NDArray[np.bool_]
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def nonzero_mask(image: npt.NDArray[Any], *, slab: int = SLAB) -> Mask:
    """Return the mask of voxels where any channel is not 0, with enclosed holes filled in 3D.

    Args:
        image: (C, z, y, x), any dtype.
        slab: voxels that are looked at together for holes; the result does not depend on it.

    Returns:
        (z, y, x) bool. In an image of one slice no hole is filled, since nothing is enclosed in 3D.
    """
    mask: Mask = image[0] != 0
    for channel in image[1:]:
        mask |= channel != 0
    inside = mask[slices(bounding_box(mask))]
    _fill_holes(inside, max(1, slab // (inside.shape[1] * inside.shape[2])))
    return mask


def bounding_box(mask: Mask) -> Box:
    """Return start and stop per axis of the smallest box around the true voxels of a (z, y, x) mask.

    If no voxel is true, the box is the whole array.
    """
    a, b, c = (_extent(np.any(mask, axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    return a, b, c


def slices(box: Box) -> tuple[slice, slice, slice]:
    """Return the box as an index of a (z, y, x) array."""
    a, b, c = (slice(start, stop) for start, stop in box)
    return a, b, c


def moved_to_start(image: npt.NDArray[Any], box: Box) -> npt.NDArray[Any]:
    """Return the content of a box (C, z, y, x), each channel contiguous at the start of its own memory.

    The image is overwritten. Nothing is copied if the box is the whole image.

    Args:
        image: (C, z, y, x), contiguous in C's order.
        box: as `bounding_box` returns it.
    """
    part = image[:, *slices(box)]
    if part.shape == image.shape:
        return image
    size = part[0].size
    target = image.reshape(len(image), -1)[:, :size].reshape(part.shape)
    for to, source in zip(target, part, strict=True):
        for plane, moved in zip(to, source, strict=True):  # its place never lies behind the planes that are still read
            plane[...] = moved
    return target


def _extent(occupied: Mask) -> tuple[int, int]:
    where = np.flatnonzero(occupied)
    return (int(where[0]), int(where[-1]) + 1) if where.size else (0, len(occupied))


def _fill_holes(mask: Mask, depth: int) -> None:
    """Set the background that is not connected, through faces of voxels, to the border of the array.

    Labels take 4 bytes per voxel, so a large mask is labelled in slabs: once to find which of their parts are
    connected, and once more to set the holes.

    Args:
        mask: (z, y, x), changed in place.
        depth: planes of a slab.
    """
    if mask.all():
        return
    slabs = [mask[start : start + depth] for start in range(0, len(mask), depth)]
    count, opened, pairs, last = 0, [np.zeros(1, np.intp)], [np.zeros((2, 0), np.intp)], None
    for slab in slabs:
        parts, own = ndimage.label(~slab)
        opened += [_numbered(face, count) for axis in (1, 2) for face in (parts.take(0, axis), parts.take(-1, axis))]
        if last is None:
            opened.append(_numbered(parts[0], count))
        else:
            pairs.append(np.unique(np.stack([last.ravel(), _numbered(parts[0], count)]), axis=1))
        last, count = _numbered(parts[-1], count), count + own
    assert last is not None, "a mask has planes"
    hole = _enclosed(count, np.unique(np.concatenate([*opened, last])), np.concatenate(pairs, axis=1))
    first = 0
    for slab in slabs:
        if len(slabs) > 1:
            parts, own = ndimage.label(~slab)
        np.logical_or(slab, np.concatenate([[False], hole[first + 1 : first + own + 1]])[parts], out=slab)
        first += own


def _numbered(face: npt.NDArray[Any], before: int) -> npt.NDArray[np.intp]:
    """Return the parts of a face as one row, numbered behind those of the slabs before; 0 is foreground."""
    parts = face.ravel().astype(np.intp)
    parts[parts > 0] += before
    return parts


def _enclosed(count: int, opened: npt.NDArray[np.intp], pairs: npt.NDArray[np.intp]) -> Mask:
    """Return for each part, and for the foreground 0, whether no part that it is connected to is open.

    Args:
        count: the number of parts, from 1 on.
        opened: the parts at the border of the array, and 0.
        pairs: (2, n) parts that touch across two slabs; where one is 0 they do not.
    """
    touching = pairs[:, (pairs > 0).all(axis=0)]
    links = sparse.coo_array((np.ones(touching.shape[1], np.bool_), (touching[0], touching[1])), (count + 1, count + 1))
    _, groups = sparse.csgraph.connected_components(links, directed=False)
    open_groups = np.zeros(count + 1, np.bool_)
    open_groups[groups[opened]] = True
    closed: Mask = ~open_groups[groups]
    return closed
