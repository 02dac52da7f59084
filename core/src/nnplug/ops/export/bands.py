"""Turn logits on a GPU into a label map on the image's grid, a band of slices at a time.

The numbers are those of `nnplug.ops.export`, which goes slice by slice. A GPU needs as long to start an operation as to
compute it for a small slice; a band needs as many operations as a slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import torch

from nnplug.ops.export.planes import Shape, Tap, decode, resize_planes, taps

BAND_BYTES = 1 << 28
"""The largest size of the resampled logits of a band. About four times as much is allocated."""


def banded_labels(
    planes: Iterable[torch.Tensor],
    count: int,
    shape: Shape,
    *,
    axis: int | None = None,
    regions_class_order: Sequence[int] | None = None,
    band_bytes: int = BAND_BYTES,
) -> torch.Tensor:
    """Return the label map on the device of the logits.

    Args:
        planes: (K, y, x) float32 on one device, in order along the first axis. Each is valid until the next one is
            read.
        count: the number of planes.
        shape: (z, y, x) of the result.
        axis: as in `nnplug.ops.export.label_map`.
        regions_class_order: as in `nnplug.ops.export.decode`.
        band_bytes: the largest size of the resampled logits of a band, which has at least one slice.

    Returns:
        (z, y, x) uint8, or int16 if values are above 255.
    """
    rows = list(taps(count, shape[0], separated=axis == 0))
    labels: torch.Tensor | None = None
    done = 0
    for band in _bands(islice(planes, count), count, shape[1:], axis, band_bytes):
        while stop := band.stop(rows, done):
            decoded = decode(band.blended(rows[done:stop]), regions_class_order)
            labels = decoded.new_empty(shape) if labels is None else labels
            labels[done:stop] = decoded
            done = stop
    assert labels is not None, "every image has at least one slice"
    return labels


class _Band(NamedTuple):
    """Successive planes (n, K, y, x), resampled within the plane, from the old slice `first` on."""

    planes: torch.Tensor
    first: int

    def stop(self, rows: Sequence[Tap], start: int) -> int:
        """Return the end of the new slices from `start` on that this band gives, as many as its planes; 0 for none."""
        last, most = self.first + len(self.planes) - 1, min(len(rows), start + len(self.planes))
        stop = start
        while stop < most and rows[stop].high <= last:
            stop += 1
        return stop if stop > start else 0

    def blended(self, rows: Sequence[Tap]) -> torch.Tensor:
        """Return the logits (K, rows, y, x) of new slices."""
        if all(row.low == row.high == rows[0].low + number for number, row in enumerate(rows)):  # not resampled
            return self.planes[rows[0].low - self.first :][: len(rows)].movedim(1, 0)
        # one copy to the device: the indices are small enough to be exact in float32
        given = torch.tensor([(r.low - self.first, r.high - self.first, r.weight) for r in rows]).to(self.planes.device)
        low, high = (self.planes.index_select(0, given[:, side].long()) for side in (0, 1))
        return low.lerp_(high, given[:, 2].view(-1, 1, 1, 1)).movedim(1, 0)


def _bands(
    planes: Iterable[torch.Tensor], count: int, shape: Sequence[int], axis: int | None, band_bytes: int
) -> Iterator[_Band]:
    """Yield bands of resampled planes; each but the first begins with the last plane of the one before."""
    arriving, read = iter(planes), 0
    carried: torch.Tensor | None = None
    while read < count:
        band = _stacked(arriving, count - read, shape, band_bytes)
        resized = band if band.shape[2:] == torch.Size(shape) else resize_planes(band, shape, axis)
        yield _Band(resized, read) if carried is None else _Band(torch.cat([carried, resized]), read - 1)
        carried, read = resized[-1:].clone(), read + len(resized)


def _stacked(arriving: Iterator[torch.Tensor], left: int, shape: Sequence[int], band_bytes: int) -> torch.Tensor:
    """Return copies (n, K, y, x) of the next planes, at most `left`."""
    plane = next(arriving)
    voxels = max(shape[0] * shape[1], plane.shape[1] * plane.shape[2])
    size = min(left, max(1, band_bytes // (len(plane) * voxels * plane.element_size())))
    band = plane.new_empty((size, *plane.shape))
    band[0] = plane
    for number, following in enumerate(islice(arriving, size - 1), 1):
        band[number] = following
    return band
