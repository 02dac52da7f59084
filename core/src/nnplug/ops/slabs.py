"""Predict by overlapping windows, with memory for the logits of one patch depth only.

Windows go through the image along its first axis. When the next windows start at a later row, the rows before it are
final: they are yielded, and their memory is used again. With 60 classes, the logits of 256^3 voxels take 4 GB; the
logits of a patch of depth 128 take 2 GB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, product

import torch

from nnplug.ops.sliding_window import Network, SlidingWindow, WeightedMean, first_row, gaussian, pad_to_patch

_MANY = 16  # channels: a processor fetches 16 float32 numbers at once


@torch.no_grad()
def predict_slabs(
    networks: Sequence[Network],
    image: torch.Tensor,
    sliding: SlidingWindow,
    *,
    device: torch.device,
    accumulate_on: torch.device | None = None,
    report: Callable[[], None] | None = None,
) -> Iterator[torch.Tensor]:
    """Yield the result of `nnplug.ops.sliding_window.predict_windows`, a few rows of the first axis at a time.

    Args:
        networks: the networks, each as in `predict_windows`; their logits are averaged.
        image: (C, z, y, x) float32, on any device.
        sliding: the windows, of a patch (z, y, x).
        device: as in `predict_windows`.
        accumulate_on: as in `predict_windows`; the sums take 4 (K + 1) bytes per voxel of a slab as deep as the patch.
        report: called after each batch of each network.

    Yields:
        (K, rows, y, x) float32 on `accumulate_on`, from the first row to the last, valid until the next one is read.
        Channels are last in memory if the network returns many channels in this order.

    Raises:
        NnplugError: the step is out of its range.
    """
    padded, inside = pad_to_patch(image.to(accumulate_on or device), sliding.patch_size)
    rows, *plane = inside
    weight = gaussian(sliding.patch_size).to(device)
    mean = _RollingMean((sliding.patch_size[0], *padded.shape[2:]), weight.to(padded.device))
    by_start = groupby(sliding.batches(padded.shape[1:]), key=lambda batch: first_row(batch[0]))
    groups = [(start, list(own)) for start, own in by_start]
    ends = [*(start for start, _ in groups[1:]), padded.shape[1]]
    for (start, own), following in zip(groups, ends, strict=True):
        for network, group in product(networks, own):
            places = [(slice(None), *window[1:]) for window in group]
            mean.add(places, sliding.predict_batch(network, padded, group, device).mul_(weight))
            if report is not None:
                report()
        finished = slice(max(rows.start, start) - start, min(rows.stop, following) - start)
        yield mean.of_rows(finished)[:, :, *plane]
        mean.move(following - start)


class _RollingMean(WeightedMean):
    """The rolling mean of windows. Rows before the first row of the latest windows are complete."""

    def _zeros(self, logits: torch.Tensor) -> torch.Tensor:
        """Return zeros in the memory order of the logits if these have many channels.

        To add across different memory orders takes longer than the addition itself.
        """
        if logits.shape[1] >= _MANY and logits.movedim(1, -1).is_contiguous():
            return torch.zeros((*self._shape, logits.shape[1]), device=self._weight.device).movedim(-1, 0)
        return super()._zeros(logits)

    def of_rows(self, rows: slice) -> torch.Tensor:
        """Return the mean (K, rows, y, x) of complete rows. The mean overwrites their sums."""
        assert self._total is not None  # every image has at least one window
        return self._total[:, rows].div_(self._weights[rows])

    def move(self, rows: int) -> None:
        """Drop the first rows and append as many rows of zeros."""
        assert self._total is not None
        depth = self._shape[0]
        for sums in (self._total, self._weights[None]):
            for row in range(0, depth - rows, rows):  # part by part, since source and target would overlap
                end = min(row + rows, depth - rows)
                sums[:, row:end] = sums[:, row + rows : end + rows]
            sums[:, max(0, depth - rows) :] = 0
