"""Predict by overlapping windows while memory holds the logits of one patch's depth.

Windows go through the image along its first axis. As soon as the next ones begin further on, the rows before them are
final: they are given away, and their memory is used again. With 60 classes, the logits of 256^3 voxels take 4 GB; those
of a patch 128 deep take 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, product

import torch

from nnplug.ops.sliding_window import (
    Network,
    WeightedMean,
    first_row,
    gaussian,
    pad_to_patch,
    predict_batch,
    window_batches,
)

_MANY = 16  # channels: float32 numbers that a processor fetches at once


@torch.no_grad()
def predict_slabs(
    networks: Sequence[Network],
    image: torch.Tensor,
    *,
    patch_size: Sequence[int],
    mirror_axes: Sequence[int] = (),
    step: float = 0.5,
    batch_size: int = 1,
    device: torch.device,
    accumulate_on: torch.device | None = None,
    report: Callable[[], None] | None = None,
) -> Iterator[torch.Tensor]:
    """Yield the result of `nnplug.ops.sliding_window.predict_windows`, some rows of the first axis at a time.

    Args:
        networks: their logits are averaged; each as in `predict_windows`.
        image: (C, z, y, x) float32, on any device.
        patch_size: (z, y, x).
        mirror_axes: as in `predict_windows`.
        step: as in `predict_windows`.
        batch_size: as in `predict_windows`; windows of one batch begin at the same row.
        device: as in `predict_windows`.
        accumulate_on: as in `predict_windows`; sums take 4 (K + 1) bytes per voxel of the patch's depth.
        report: called after each batch of each network.

    Yields:
        (K, rows, y, x) float32 on `accumulate_on`, all rows from first to last, valid until the next is asked for;
        channels last in memory where the network gives many and has them last.
    """
    padded, inside = pad_to_patch(image.to(accumulate_on or device), patch_size)
    rows, *plane = inside
    weight = gaussian(patch_size).to(device)
    mean = _RollingMean((patch_size[0], *padded.shape[2:]), weight.to(padded.device))
    batches = window_batches(padded.shape[1:], patch_size, step, batch_size)
    groups = [(start, list(own)) for start, own in groupby(batches, key=lambda batch: first_row(batch[0]))]
    ends = [*(start for start, _ in groups[1:]), padded.shape[1]]
    for (start, own), following in zip(groups, ends, strict=True):
        for network, group in product(networks, own):
            places = [(slice(None), *window[1:]) for window in group]
            mean.add(places, predict_batch(network, padded, group, mirror_axes, batch_size, device).mul_(weight))
            if report is not None:
                report()
        finished = slice(max(rows.start, start) - start, min(rows.stop, following) - start)
        yield mean.of_rows(finished)[:, :, *plane]
        mean.move(following - start)


class _RollingMean(WeightedMean):
    """The rolling mean of windows: rows before the first row of the latest windows are complete."""

    def _zeros(self, logits: torch.Tensor) -> torch.Tensor:
        """In the logits' order of memory where they have many channels: crossing it takes longer than adding."""
        if logits.shape[1] >= _MANY and logits.movedim(1, -1).is_contiguous():
            return torch.zeros((*self._shape, logits.shape[1]), device=self._weight.device).movedim(-1, 0)
        return super()._zeros(logits)

    def of_rows(self, rows: slice) -> torch.Tensor:
        """The mean (K, rows, y, x) of rows that nothing will be added to; their sums are used up."""
        assert self._total is not None  # every image has at least one window
        return self._total[:, rows].div_(self._weights[rows])

    def move(self, rows: int) -> None:
        """Forget the first rows and make room for as many behind."""
        assert self._total is not None
        depth = self._shape[0]
        for row in range(depth):  # one by one, since source and target overlap
            for sums in (self._total, self._weights[None]):
                sums[:, row] = sums[:, row + rows] if row + rows < depth else 0
