"""Run one function over many cases. Small enough that a cluster client fits behind the same interface."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from nnplug.errors import NnplugError, Problems

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Protocol):
    """Maps a function over items and gives the results in the order of the items."""

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """Run `function` on every item.

        Args:
            function: what to do with one item.
            items: cases, usually.
            stage: what is being done, for messages ("preprocess").
            name: how messages call an item.

        Raises:
            Problems: some items failed; one line each, with stage, item and cause. The others were finished.
        """
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """Threads of this process: numpy, scipy, torch and SimpleITK release the interpreter while they compute.

    Attributes:
        workers: how many items are in work at once; None means one per core that this process may use.
    """

    workers: int | None = None

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """See `Executor.map`. Never holds more than twice `workers` results that nobody has taken."""
        workers = self.workers or available_cores()
        failures: list[str] = []
        with ThreadPoolExecutor(workers) as pool:
            for item, future in _bounded(pool, function, items, 2 * workers):
                try:
                    yield future.result()
                except (NnplugError, OSError, MemoryError, ValueError, RuntimeError) as error:
                    failures.append(f"{stage} of {name(item)}: {_cause(error)}")
        if failures:
            raise Problems(failures)


def _bounded(
    pool: Pool, function: Callable[[Item], Result], items: Sequence[Item], ahead: int
) -> Iterator[tuple[Item, Future[Result]]]:
    waiting: list[tuple[Item, Future[Result]]] = []
    for item in items:
        waiting.append((item, pool.submit(function, item)))
        if len(waiting) > ahead:
            yield waiting.pop(0)
    yield from waiting


def available_cores() -> int:
    """The number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cause(error: BaseException) -> str:
    return str(error) if isinstance(error, NnplugError) else f"{type(error).__name__}: {error}"
