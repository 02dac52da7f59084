"""Batches that threads make ahead of the training; they do not depend on the number of threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import islice
from types import TracebackType
from typing import Self

from nnplug.runtime.threads import single_core_threads
from nnplug_nnunet.training.patches.batches import Batch, DrawnBatch
from nnplug_nnunet.training.patches.source import PatchSource, SampleIndex

AHEAD = 2 << 30
"""Bytes of page-locked batches that are made ahead, at most, unless two batches are more."""


class PatchLoader:
    """An iterator over batches in order; threads make them ahead.

    Use it in a `with` block: the threads end with the block. One thread makes a whole batch, so that copies run beside
    the training.
    """

    def __init__(
        self, source: PatchSource, places: Iterable[SampleIndex], *, workers: int, pin_memory: bool = False
    ) -> None:
        """Start the threads; they have no work yet.

        Args:
            source: makes the samples.
            places: epoch and iteration of each batch, such as `itertools.product(range(first, epochs), range(250))`.
            workers: number of threads, at least one.
            pin_memory: whether batches lie in page-locked memory, for copies to a GPU.
        """
        self._source = source
        self._places = iter(places)
        self._pin_memory = pin_memory
        self._pool = single_core_threads(max(workers, 1), "patches")
        self._ahead = max(workers, 1) + 1
        self._waiting: deque[Future[Batch | DrawnBatch]] = deque()

    def __enter__(self) -> Self:
        """Enter the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancel waiting batches and end the threads."""
        self._waiting.clear()
        self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Iterator[Batch | DrawnBatch]:
        """Return the iterator over the remaining batches."""
        return self

    def __next__(self) -> Batch | DrawnBatch:
        """Return the next batch.

        Raises:
            NnplugError: a sample failed; the message names its case.
        """
        coming = self.coming()
        if coming is None:
            raise StopIteration
        return coming.result()

    def coming(self) -> Future[Batch | DrawnBatch] | None:
        """Return the next batch before it is made; None after the last."""
        for place in islice(self._places, max(0, self._ahead - len(self._waiting))):
            self._waiting.append(self._pool.submit(self._make, place))
        return self._waiting.popleft() if self._waiting else None

    def _make(self, place: SampleIndex) -> Batch | DrawnBatch:
        batch = self._source.batch(place, pinned=self._pin_memory)
        # page-locked memory must not grow with the number of cores
        self._ahead = max(2, min(self._ahead, AHEAD // max(batch.locked_bytes, 1)))
        return batch
