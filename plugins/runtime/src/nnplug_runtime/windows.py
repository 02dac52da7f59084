"""Predict an image by overlapping windows and their mirror images, a few slices at a time.

Windows go through the image along its first axis. When the next windows start at a later row, the rows before it are
final, and their memory is used again. So memory holds the logits of one patch's depth, not of the image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from nnplug_runtime.faults import Fault
from nnplug_runtime.model import Windows

Array = npt.NDArray[np.float32]
Network = Callable[[Array], Array]


def predicted_planes(networks: Sequence[Network], image: Array, windows: Windows, outputs: int) -> Iterator[Array]:
    """Yield the logits (K, y, x) of each slice of the first axis, the mean over networks; valid until the next one.

    Args:
        networks: (B, C, *patch) float32 -> logits (B, K, *patch).
        image: (C, z, y, x) float32, of any size.
        windows: patch of two axes for networks that predict slices, else of three.
        outputs: the number K of outputs.

    Raises:
        Fault: the step is out of its range.
    """
    if not 0 < windows.step <= 1:
        raise Fault(f"the step between windows is {windows.step:g}; it must be above 0 and at most 1 (one patch)")
    if len(windows.patch_size) == 3:
        yield from _volume_planes(networks, image, windows, outputs)
        return
    for z in range(image.shape[1]):
        # a slice is a volume of one row, with a patch of one row
        flat = [_flat(network) for network in networks]
        yield from _volume_planes(flat, image[:, z : z + 1], _as_volume(windows), outputs)


def starts(size: int, patch: int, step: float) -> tuple[int, ...]:
    """Return the first voxels of the windows along an axis: evenly spread, at most `step` patches apart."""
    count = math.ceil((size - patch) / (patch * step)) + 1
    distance = (size - patch) / max(1, count - 1)
    return tuple(round(i * distance) for i in range(count))  # round() takes halves to even


def gaussian(windows: Windows) -> Array:
    """Return the weight of each voxel of a window, float32 of the shape of the patch; none is 0."""
    weight = np.ones((), np.float64)
    for size in windows.patch_size:
        sigma = windows.sigma * size
        distance = np.abs(np.arange(size, dtype=np.float64) - size // 2)
        bell = np.exp(-0.5 * (distance / sigma) ** 2) * (distance <= int(windows.truncate * sigma + 0.5))
        weight = weight[..., None] * bell
    single = weight.astype(np.float32)
    single[single == 0] = single[single > 0].min()
    return single


def padded(image: Array, patch: Sequence[int]) -> tuple[Array, tuple[slice, ...]]:
    """Return an image (C, z, y, x) padded with zeros on both sides to at least the patch, and the image in it."""
    missing = [max(0, want - size) for want, size in zip(patch, image.shape[1:], strict=True)]
    inside = tuple(slice(m // 2, m // 2 + size) for m, size in zip(missing, image.shape[1:], strict=True))
    if not any(missing):
        return image, inside
    return np.pad(image, [(0, 0), *((m // 2, m - m // 2) for m in missing)]), inside


def mirrored_mean(network: Network, batch: Array, axes: Sequence[int]) -> Array:
    """Return the mean logits (B, K, *patch) of a batch (B, C, *patch) over all combinations of mirrored axes."""
    flips = [chosen for n in range(len(axes) + 1) for chosen in combinations([axis + 2 for axis in axes], n)]
    total = network(batch)
    for chosen in flips[1:]:
        total += np.flip(network(np.ascontiguousarray(np.flip(batch, chosen))), chosen)
    total /= np.float32(len(flips))
    return total


def _volume_planes(networks: Sequence[Network], image: Array, windows: Windows, outputs: int) -> Iterator[Array]:
    patch = windows.patch_size
    whole, (rows, *plane) = padded(image, patch)
    weight = gaussian(windows)
    first, *others = (starts(size, own, windows.step) for size, own in zip(whole.shape[1:], patch, strict=True))
    total = np.zeros((outputs, patch[0], *whole.shape[2:]), np.float32)
    weights = np.zeros(total.shape[1:], np.float32)
    for start, following in zip(first, (*first[1:], whole.shape[1]), strict=True):
        for network, (y, x) in product(networks, product(*others)):
            place = (slice(y, y + patch[1]), slice(x, x + patch[2]))
            batch = np.ascontiguousarray(whole[None, :, start : start + patch[0], *place])
            total[:, :, *place] += mirrored_mean(network, batch, windows.mirror_axes)[0] * weight
            weights[:, *place] += weight
        for row in range(max(rows.start, start), min(rows.stop, following)):
            yield (total[:, row - start] / weights[row - start])[:, *plane]
        _move(total, following - start)
        _move(weights[None], following - start)


def _move(sums: Array, rows: int) -> None:
    """Drop the first rows of (K, z, y, x) and append as many rows of zeros."""
    depth = sums.shape[1]
    for row in range(max(0, depth - rows)):
        sums[:, row] = sums[:, row + rows]
    sums[:, max(0, depth - rows) :] = 0


def _flat(network: Network) -> Network:
    """Return a network for volumes (B, C, 1, y, x) of one that takes slices (B, C, y, x)."""
    return lambda batch: network(np.ascontiguousarray(batch[:, :, 0]))[:, :, None]


def _as_volume(windows: Windows) -> Windows:
    """Return the windows of slices as those of volumes of one row."""
    axes = tuple(axis + 1 for axis in windows.mirror_axes)
    return Windows((1, *windows.patch_size), windows.step, windows.sigma, windows.truncate, axes)
