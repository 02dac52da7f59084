"""A training step as one CUDA graph, which the host launches at once instead of kernel by kernel.

Recording a graph computes nothing: the step that is recorded is then replayed for its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Protocol

import torch
from torch import Tensor

from nnplug.runtime.device import free_memory
from nnplug_nnunet.training.state import PatchBatch, TrainingState

Step = Callable[[TrainingState, PatchBatch], Tensor]
"""A step as `PatchSteps.training_step`."""

WARM_UP = 3
"""Iterations before a step is recorded: cuDNN chooses algorithms, the optimiser creates its averages."""
_SPARE = 2.0  # memory for a graph relative to that of its step: a validation cannot use the memory of the graph
_NUMBERS = (bool, int, float, tuple, str, type(None))


class Recorder(Protocol):
    """Records work on a device; `CudaRecorder` is the only one outside tests."""

    def aside(self) -> AbstractContextManager[None]:
        """Return a context for work as it will be recorded."""
        ...

    def record(self, work: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        """Call `work` without computing; return a function that computes it again, and its result's place."""
        ...


class CudaRecorder:
    """Records CUDA graphs."""

    def __init__(self, device: torch.device) -> None:
        """Record work on this CUDA device."""
        self._device, self._stream, self._bytes = device, torch.cuda.Stream(device), 0  # type: ignore[no-untyped-call]

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let work run on a stream of its own, and measure its memory."""
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        torch.cuda.reset_peak_memory_stats(self._device)
        with torch.cuda.stream(self._stream):
            yield
        current.wait_stream(self._stream)
        self._bytes = torch.cuda.max_memory_allocated(self._device) - torch.cuda.memory_allocated(self._device)

    def record(self, work: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
        """Record work that ran `aside` before.

        Raises:
            MemoryError: the graph would leave too little memory for validation.
            RuntimeError: the work cannot be recorded, for example because it waits for the device.
        """
        free, needed = free_memory(self._device), int(_SPARE * self._bytes)
        if free is not None and free < needed:
            raise MemoryError(f"{free / 1e9:.1f} GB of GPU memory are free, {needed / 1e9:.1f} GB are needed")
        graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
        try:
            # The outer block returns to the present stream also after a failure. Other threads may pin memory
            # meanwhile, which the default mode forbids.
            with (
                torch.cuda.stream(self._stream),
                torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"),
            ):
                result = work()
        except BaseException:
            _end_capture(self._stream.device, pool)
            raise
        return graph.replay, result


def _end_capture(device: torch.device, pool: tuple[int, int]) -> None:
    """End a capture that an error broke off, for the parts of PyTorch that would take it as going on.

    After a capture that CUDA has made invalid, PyTorch up to 2.12 leaves its allocator without freeing memory of
    several streams, and its random generator without numbers.
    """
    with suppress(RuntimeError):  # of the first line: PyTorch has ended it itself, and nothing is left to do
        torch._C._cuda_endAllocateToPool(device.index, pool)  # noqa: SLF001 - PyTorch has no public function
        generator = torch.cuda.default_generators[device.index]
        fresh = torch.Generator(device)
        fresh.set_state(generator.get_state())
        generator.graphsafe_set_state(fresh.graphsafe_get_state())


class GraphedStep:
    """A training step that is recorded after `WARM_UP` iterations, and replayed from then on.

    Every iteration reads batch and learning rates from the same memory. A step is recorded anew when something else
    changes: another number of the optimiser, a frozen parameter or a parameter in other memory.
    """

    def __init__(self, step: Step, recorder: Recorder, notice: Callable[[str], None]) -> None:
        """Begin without a graph.

        Args:
            step: computes on the device alone, and the same for every batch of one shape.
            recorder: records it.
            notice: called with the reason if it cannot be recorded.
        """
        self._step, self._recorder, self._notice = step, recorder, notice
        self._inputs: PatchBatch | None = None
        self._rates: _Rates | None = None
        self._graph: tuple[Callable[[], object], Tensor] | None = None
        self._fixed: Any = None
        self._warm, self._failed = 0, False

    def restart(self) -> None:
        """Forget graph and inputs: step or shape may have changed in a way that `_fixed_parts` does not see."""
        self._warm, self._graph, self._inputs = 0, None, None

    def __call__(self, state: TrainingState, batch: PatchBatch) -> Tensor:
        """Update the weights with one batch; return the loss, a scalar without gradient on the device."""
        rates = self._follow(state, batch.image.device)
        if self._inputs is None:
            self._inputs = PatchBatch(torch.empty_like(batch.image), torch.empty_like(batch.target))
        if self._failed or not _fits(batch, self._inputs):
            with rates.in_use(state.optimizer):
                return self._step(state, batch)
        self._inputs.image.copy_(batch.image)
        self._inputs.target.copy_(batch.target)
        if self._warm < WARM_UP:
            self._warm += 1
            with self._recorder.aside(), rates.in_use(state.optimizer):
                return self._step(state, self._inputs)
        if self._graph is None:
            self._record(state, self._inputs, rates)
        return self._replayed() if self._graph is not None else self(state, batch)

    def _follow(self, state: TrainingState, device: torch.device) -> _Rates:
        """Return the present learning rates; forget the graph if anything else has changed."""
        fixed = _fixed_parts(state)
        if fixed != self._fixed or self._rates is None:
            self._fixed, self._rates = fixed, _Rates(state.optimizer, device)
            self.restart()
        self._rates.follow(state.optimizer)
        return self._rates

    def _record(self, state: TrainingState, inputs: PatchBatch, rates: _Rates) -> None:
        """Make the graph, or note that it fails."""

        def work() -> Tensor:
            with rates.in_use(state.optimizer), _recordable(state.optimizer):
                return self._step(state, inputs)

        state.zero_gradients()
        try:
            self._graph = self._recorder.record(work)
        except Exception as error:  # noqa: BLE001 - PyTorch raises many types
            self._failed = True
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._notice(f"a CUDA graph does not work here ({reason}); the training continues without it")
            _forget_update(state)

    def _replayed(self) -> Tensor:
        assert self._graph is not None
        replay, loss = self._graph
        replay()
        return loss.clone()  # the next iteration overwrites it


class _Rates:
    """The learning rates of an optimiser on the device, one per group of parameters."""

    def __init__(self, optimizer: torch.optim.Optimizer, device: torch.device) -> None:
        self._tensors = [torch.zeros((), device=device) for _ in optimizer.param_groups]
        self._values: list[float] = []

    def follow(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the present learning rates."""
        values = [float(group["lr"]) for group in optimizer.param_groups]
        if values != self._values:
            self._values = values
            for tensor, value in zip(self._tensors, values, strict=True):
                tensor.fill_(value)

    @contextmanager
    def in_use(self, optimizer: torch.optim.Optimizer) -> Iterator[None]:
        """Let the optimiser read its learning rates from the device inside the block; its numbers stay floats."""
        rates = [group["lr"] for group in optimizer.param_groups]
        for group, tensor in zip(optimizer.param_groups, self._tensors, strict=True):
            group["lr"] = tensor
        try:
            yield
        finally:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate


@contextmanager
def _recordable(optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Tell Adam inside the block that it is recorded: its fused step can be in any case, but it refuses."""
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    before = [group["capturable"] for group in groups]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group, value in zip(groups, before, strict=True):
            group["capturable"] = value


def _forget_update(state: TrainingState) -> None:
    """Remove what a broken off update leaves: gradients, and the loss scaler's notes of them."""
    state.zero_gradients()
    if state.scaler.is_enabled():
        state.scaler._per_optimizer_states.clear()  # noqa: SLF001 - it has no other way back


def _fits(batch: PatchBatch, inputs: PatchBatch) -> bool:
    pairs = ((batch.image, inputs.image), (batch.target, inputs.target))
    return all(given.shape == own.shape and given.dtype == own.dtype for given, own in pairs)


def _fixed_parts(state: TrainingState) -> Any:
    """Return what a graph of the step holds by value: numbers of the optimiser, and the places of the weights."""
    numbers = [
        [(name, value) for name, value in group.items() if name != "lr" and isinstance(value, _NUMBERS)]
        for group in state.optimizer.param_groups
    ]
    return numbers, [(p.data_ptr(), p.requires_grad) for p in state.network.parameters()]
