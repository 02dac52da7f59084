"""Measure the times of a training with any trainer and any network, without changes to them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from nnplug.contracts import Augmentation, AugmentationContext, BatchAugmentation, BatchAugmenter, DrawnSamples
from nnplug.workspace.case_store import CaseStore, StoredCase
from nnplug.workspace.stored_array import StoredArray

Timestamp = Any
"""A time stamp: seconds on the CPU and MPS, an event in the stream of a CUDA device."""


@dataclass
class Counter:
    """The seconds that threads spend in a piece of work, summed over the threads."""

    seconds: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the duration of the block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self.seconds += time.perf_counter() - started


@dataclass(frozen=True)
class TimedArray(StoredArray):
    """A stored array whose reads are timed."""

    counter: Counter = field(default_factory=Counter)

    @classmethod
    def of(cls, array: StoredArray, counter: Counter) -> TimedArray:
        """Return the array with a counter for its reads."""
        return cls(array.path, array.shape, array.dtype, array.offset, counter)

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        """Return a copy of a part, as `StoredArray` does."""
        with self.counter.timed():
            return super().__getitem__(key)


class TimedStore(CaseStore):
    """A case store whose reads are timed."""

    def __init__(self, store: CaseStore, counter: Counter) -> None:
        """Open the folder of another store and time its reads."""
        super().__init__(store.folder, previous=store.previous)
        self._counter = counter

    def __getitem__(self, name: str) -> StoredCase:
        """Return the case with that name, as `CaseStore` does."""
        with self._counter.timed():
            case = super().__getitem__(name)
        return dataclasses.replace(
            case, image=TimedArray.of(case.image, self._counter), label=TimedArray.of(case.label, self._counter)
        )


@dataclass
class Iteration:
    """The time stamps of one iteration of a training."""

    began: Timestamp
    forward_done: Timestamp = None
    backward_began: Timestamp = None
    backward_done: Timestamp = None
    stepped: Timestamp = None

    @property
    def marks(self) -> tuple[Timestamp, ...]:
        """The time stamps in their order."""
        return (self.began, self.forward_done, self.backward_began, self.backward_done, self.stepped)

    @property
    def is_whole(self) -> bool:
        """Return whether the weights were updated: if a gradient overflows half precision, the update is left out."""
        return all(mark is not None for mark in self.marks)


@dataclass
class StepTimer:
    """A timer that marks begin and end of each pass through a network while `watching`.

    Attributes:
        device: the device of the network. On CUDA marks are events in its stream, so that the host does not wait.
        on_step: called after each update of the weights.
        iterations: the iterations of the training, in order.
        validation: begin and end of each pass without gradients.
        augmented: begin and end of the transforms of each batch that the device augments.
        inputs: the shape of the last batch.
    """

    device: torch.device
    on_step: Callable[[], None] = lambda: None
    iterations: list[Iteration] = field(default_factory=list)
    validation: list[tuple[Timestamp, Timestamp]] = field(default_factory=list)
    augmented: list[tuple[Timestamp, Timestamp]] = field(default_factory=list)
    inputs: tuple[int, ...] = ()

    @contextmanager
    def watching(self, network: torch.nn.Module) -> Iterator[None]:
        """Time a network and all optimisers of this process while the block runs."""
        hooks = [
            network.register_forward_pre_hook(self._forward_begins),
            network.register_forward_hook(self._forward_ends),
            register_optimizer_step_post_hook(self._stepped),
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def seconds(self, begin: Timestamp, end: Timestamp) -> float:
        """Return the seconds between two marks; on CUDA, block until the device has reached them."""
        if self.device.type != "cuda":
            return float(end - begin)
        torch.cuda.synchronize(self.device)
        return float(begin.elapsed_time(end)) / 1000

    def mark(self) -> Timestamp:
        """Return a time stamp."""
        if self.device.type != "cuda":
            if self.device.type == "mps":
                torch.mps.synchronize()
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event

    def _forward_begins(self, _network: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        if not torch.is_grad_enabled():
            self.validation.append((self.mark(), None))
        elif not self._has_pending_pass:
            self.inputs = tuple(inputs[0].shape)
            self.iterations.append(Iteration(self.mark()))

    @property
    def _has_pending_pass(self) -> bool:
        """Return whether a pass is without gradients so far: a loss may sum over several passes of one iteration."""
        return bool(self.iterations) and self.iterations[-1].backward_began is None

    def _forward_ends(self, _network: torch.nn.Module, _inputs: tuple[Any, ...], outputs: Any) -> None:
        if not torch.is_grad_enabled():
            self.validation[-1] = (self.validation[-1][0], self.mark())
            return
        self.iterations[-1].forward_done = self.mark()
        for logits in [outputs] if isinstance(outputs, torch.Tensor) else outputs:
            if logits.requires_grad:
                logits.register_hook(self._backward_begins)

    def _backward_begins(self, _gradient: torch.Tensor) -> None:
        """Mark the end of the loss; the autograd engine calls `_backward_ends` after all other gradients."""
        iteration = self.iterations[-1]
        if iteration.backward_began is None:
            iteration.backward_began = self.mark()
            engine = torch.autograd.Variable._execution_engine  # noqa: SLF001 - torch's own DDP and FSDP ask it so
            engine.queue_callback(self._backward_ends)

    def _backward_ends(self) -> None:
        self.iterations[-1].backward_done = self.mark()

    def _stepped(self, *_: Any) -> None:
        if self.iterations:
            self.iterations[-1].stepped = self.mark()
            self.on_step()


@dataclass(frozen=True)
class TimedAugmenter:
    """An augmenter whose transforms are timed: in threads by a counter, on the device by marks."""

    augmenter: BatchAugmenter
    counter: Counter
    steps: StepTimer

    def bind(self, context: AugmentationContext) -> Augmentation:
        """Return the timed augmentation of the wrapped augmenter."""
        return _TimedAugmentation(self.augmenter.bind(context), self.counter)

    def bind_batches(self, context: AugmentationContext) -> BatchAugmentation | None:
        """Return the timed augmentation of batches of the wrapped augmenter."""
        batches = self.augmenter.bind_batches(context)
        return None if batches is None else _TimedBatches(batches, self.counter, self.steps)


@dataclass(frozen=True)
class _TimedAugmentation:
    augmentation: Augmentation
    counter: Counter

    @property
    def source_patch_size(self) -> tuple[int, ...]:
        return self.augmentation.source_patch_size

    def __call__(
        self,
        image: npt.NDArray[np.float32],
        label: npt.NDArray[np.int16],
        rng: np.random.Generator,
        **previous: npt.NDArray[np.int16],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        with self.counter.timed():
            return self.augmentation(image, label, rng, **previous)


@dataclass(frozen=True)
class _TimedBatches:
    augmentation: BatchAugmentation
    counter: Counter
    steps: StepTimer

    def draw(self, rng: np.random.Generator, channels: int) -> Any:
        with self.counter.timed():
            return self.augmentation.draw(rng, channels)

    def cut_size(self, drawn: Any) -> tuple[int, ...]:
        return self.augmentation.cut_size(drawn)

    def __call__(self, groups: Sequence[DrawnSamples]) -> tuple[torch.Tensor, torch.Tensor]:
        began = self.steps.mark()
        batch = self.augmentation(groups)
        self.steps.augmented.append((began, self.steps.mark()))
        return batch
