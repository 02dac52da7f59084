"""Batches on the training device; a GPU augments the next ones while it trains on the present one.

A batch of many small patches is some hundreds of operations. Threads of their own launch them beside the training's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Protocol, Self

import torch

from nnplug.runtime.threads import single_core_threads
from nnplug_nnunet.training.patches.batches import Batch, DrawnBatch
from nnplug_nnunet.training.patches.loading import PatchLoader

Tensors = tuple[torch.Tensor, torch.Tensor]
"""Image (B, C, *patch) and label (B, 1, *patch) on the device."""


class Lane(Protocol):
    """The way of batches to a device beside the training; `CudaLane` is the only one outside tests."""

    def move(self, batch: Batch | DrawnBatch) -> tuple[Tensors, Callable[[], None]]:
        """Return a batch on the device, and a function after which the caller's work on the device may use it."""
        ...


class CudaLane:
    """Streams of the GPU, as many as threads use it at a time.

    One lane serves for a whole training. PyTorch has 32 streams and gives them out in turns: lanes that came and went
    would in the end take the stream on which a CUDA graph is recorded.
    """

    def __init__(self, device: torch.device) -> None:
        """Move batches to this CUDA device."""
        self._device, self._idle = device, deque[torch.cuda.Stream]()

    def move(self, batch: Batch | DrawnBatch) -> tuple[Tensors, Callable[[], None]]:
        """See `Lane`. The host never waits."""
        with self._stream() as stream, torch.cuda.stream(stream):
            tensors = batch.on(self._device)
            done = stream.record_event()

        def hand_over() -> None:
            present = torch.cuda.current_stream(self._device)
            present.wait_event(done)
            for tensor in tensors:
                tensor.record_stream(present)  # its memory is not used anew before the training has read it

        return tensors, hand_over

    @contextmanager
    def _stream(self) -> Iterator[torch.cuda.Stream]:
        try:
            stream = self._idle.pop()
        except IndexError:
            stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        try:
            yield stream
        finally:
            self._idle.append(stream)


class DeviceBatches:
    """An iterator over the batches of a loader on the device, in order.

    Use it in a `with` block: its threads and those of the loader end with the block.
    """

    def __init__(self, loader: PatchLoader, device: torch.device, *, lane: Lane | None, threads: int = 1) -> None:
        """Start the threads; they have no work yet.

        Args:
            loader: makes the batches on the host.
            device: the training device.
            lane: moves batches ahead; None moves each when it is asked for.
            threads: that move batches; each has one ahead.
        """
        self._loader, self._device, self._lane, self._ahead = loader, device, lane, threads
        self._pool: ThreadPoolExecutor | None = None if lane is None else single_core_threads(threads, "device")
        self._waiting: deque[Future[tuple[Tensors, Callable[[], None]]]] = deque()

    def __enter__(self) -> Self:
        """Enter the block."""
        self._loader.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads."""
        self._waiting.clear()
        self._loader.__exit__(kind, error, trace)
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __iter__(self) -> Self:
        """Return the iterator over the remaining batches."""
        return self

    def __next__(self) -> Tensors:
        """Return the next batch; raises as the loader does."""
        if self._pool is None or self._lane is None:
            return next(self._loader).on(self._device)
        while len(self._waiting) <= self._ahead and (coming := self._loader.coming()) is not None:
            self._waiting.append(self._pool.submit(_moved, self._lane, coming))
        if not self._waiting:
            raise StopIteration
        tensors, hand_over = self._waiting.popleft().result()
        hand_over()
        return tensors


def _moved(lane: Lane, coming: Future[Batch | DrawnBatch]) -> tuple[Tensors, Callable[[], None]]:
    return lane.move(coming.result())
