"""Count the memory of PyTorch's tensors while code runs on tensors that have shapes and no numbers.

`FakeTensorMode` of PyTorch computes shapes, types and memory orders alone, in a few seconds for any network. Another
mode follows which of the tensors' memory is in use.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

PLACE = torch.device("cpu")
"""The device of the tensors without numbers: every PyTorch has it."""
_BLOCK = 512  # bytes; PyTorch's allocator for GPUs rounds up to them


class MemoryCount:
    """The bytes of tensors in use.

    Attributes:
        now: at present.
        peak: the most since the last `restart`.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}
        self._alive: dict[int, weakref.ref[Any]] = {}

    def peak_of(self, work: Callable[[], object]) -> int:
        """Return the most bytes in use while `work` runs, with those from before."""
        self.peak = self.now
        work()
        return self.peak

    def add(self, tensor: torch.Tensor) -> None:
        """Count the memory of a tensor once, until it is released."""
        storage = tensor.untyped_storage()
        key, size = storage._cdata, -(-storage.nbytes() // _BLOCK) * _BLOCK  # noqa: SLF001 - its only identity
        if key in self._sizes:
            return

        def gone(_: object) -> None:
            self.now -= self._sizes.pop(key)
            del self._alive[key]

        self._sizes[key], self._alive[key] = size, weakref.ref(storage, gone)
        self.now += size
        self.peak = max(self.peak, self.now)


@contextmanager
def counted_memory() -> Iterator[MemoryCount]:
    """Count inside the block, where tensors have no numbers.

    A value that code reads from a tensor is True, 1 or 1.0. Fused steps of optimisers, which need no memory, are left
    out: tensors without numbers have none.
    """
    count = MemoryCount()
    with FakeTensorMode(allow_non_fake_inputs=True), _Following(count):
        yield count


class _Following(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Calls each operation and counts its results."""

    def __init__(self, count: MemoryCount) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._count = count

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]  # noqa: SLF001 - as in PyTorch's own modes
        if name.startswith("_fused_"):
            return None
        if name == "_local_scalar_dense" and isinstance(args[0], FakeTensor):
            return _value(args[0])
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._count.add(leaf)
        return result


def _value(tensor: FakeTensor) -> bool | int | float:
    """Return the value of a constant, and of other tensors one that lets checks pass."""
    if tensor.constant is not None:
        found: bool | int | float = tensor.constant.item()
        return found
    if tensor.dtype == torch.bool:
        return True
    return 1.0 if tensor.dtype.is_floating_point else 1
