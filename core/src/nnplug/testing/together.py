"""Several ranks of a training as threads, for checks of what they share."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import TypeVar

import torch

from nnplug.runtime.distributed import World

T = TypeVar("T")

_SECONDS = 30.0  # a rank that fails must not keep the others


@dataclass(frozen=True)
class _Exchange:
    """A place where ranks give a tensor each and get those of all."""

    barrier: Barrier
    given: list[torch.Tensor | None]

    def all(self, rank: int, value: torch.Tensor) -> list[torch.Tensor]:
        self.given[rank] = value
        self.barrier.wait(_SECONDS)
        found = [one for one in self.given if one is not None]
        self.barrier.wait(_SECONDS)
        return found


@dataclass(frozen=True)
class ThreadWorld(World):
    """One of several ranks that are threads of this process; values are exchanged, gradients are not."""

    exchange: _Exchange | None = None

    def wait(self) -> None:
        """See `World`."""
        self._all(torch.zeros(()))

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """See `World`."""
        return torch.stack(self._all(values)).sum(0)

    def gather(self, values: torch.Tensor) -> torch.Tensor:
        """See `World`."""
        return torch.cat(self._all(values))

    def _all(self, values: torch.Tensor) -> list[torch.Tensor]:
        assert self.exchange is not None  # `on_every_rank` gives it
        return self.exchange.all(self.rank, values.detach())


def on_every_rank(function: Callable[[World], T], *, size: int) -> list[T]:
    """Return the results of a function on each of `size` ranks, which call it together.

    Raises:
        Exception: of the first rank that failed; `BrokenBarrierError` if the ranks exchange values unequally often.
    """
    exchange = _Exchange(Barrier(size), [None] * size)
    with ThreadPoolExecutor(size) as threads:
        calls = [threads.submit(_call, function, ThreadWorld(rank, size, exchange)) for rank in range(size)]
        return [call.result() for call in calls]


def _call(function: Callable[[World], T], world: ThreadWorld) -> T:
    try:
        return function(world)
    except Exception:
        if world.exchange is not None:
            world.exchange.barrier.abort()
        raise
