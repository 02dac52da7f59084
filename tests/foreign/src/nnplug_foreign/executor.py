"""The component `foreign-loop` of kind executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from nnplug.contracts import Executor
from nnplug.runtime.executor import attempt, collected
from nnplug.runtime.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Loop(Executor):
    """A plain loop in the thread of the caller."""

    @property
    def slots(self) -> int:
        """See `Executor.slots`."""
        return 1

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """See `Executor.map`."""
        return collected(attempt(partial(function, item), what=f"{stage} of {name(item)}") for item in items)

    def map_on_device(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
        progress: Progress,
    ) -> Iterator[Result]:
        """See `Executor.map_on_device`."""
        return collected(attempt(partial(function, item, progress), what=f"{stage} of {name(item)}") for item in items)

    def close(self) -> None:
        """Do nothing: a loop starts nothing."""
