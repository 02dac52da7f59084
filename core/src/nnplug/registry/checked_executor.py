"""An executor of a plugin that is checked: every item has one result, in the order of the items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nnplug.registry.attribution import broken
from nnplug.runtime.executor import Executor, LocalExecutor
from nnplug.runtime.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")
Numbered = tuple[int, Any]
"""The index of an item, and the item or its result."""


def checked_executor(executor: Executor) -> Executor:
    """Return an executor as a `CheckedExecutor`; the core's own one is returned unchanged."""
    own = type(executor) is LocalExecutor or isinstance(executor, CheckedExecutor)
    return executor if own else CheckedExecutor(executor)


@dataclass(frozen=True)
class CheckedExecutor(Executor):
    """An executor that checks the order and the completeness of results by numbers of the items."""

    executor: Executor

    @property
    def slots(self) -> int:
        """See `Executor.slots`."""
        return self.executor.slots

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """See `Executor.map`.

        Raises:
            InvalidPlugin: the executor gave no result for an item, or several, or changed their order.
        """
        numbered, titled = list(enumerate(items)), _Name(name)
        results = self.executor.map(_CheckedCall(function), numbered, stage=stage, name=titled)
        yield from self._checked(results, numbered, titled)

    def map_on_device(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
        progress: Progress,
    ) -> Iterator[Result]:
        """See `Executor.map_on_device`; raises as `map`."""
        numbered, titled = list(enumerate(items)), _Name(name)
        job = _CheckedCall(function)
        results = self.executor.map_on_device(job, numbered, stage=stage, name=titled, progress=progress)
        yield from self._checked(results, numbered, titled)

    def close(self) -> None:
        """See `Executor.close`."""
        self.executor.close()

    def _checked(self, results: Iterator[Any], items: Sequence[Numbered], name: _Name) -> Iterator[Any]:
        missing = dict(enumerate(items))
        last = -1
        for given in results:
            index, result = self._numbered(given)
            if index not in missing or index < last:
                again = "again" if index not in missing else "too late"
                raise broken(self.executor, f"gave the result of {name(items[index])} {again}")
            del missing[index]
            last = index
            yield result
        if missing:  # an item that failed would have raised `Problems`
            raise broken(self.executor, f"gave no result for {name(next(iter(missing.values())))}")

    def _numbered(self, given: Any) -> Numbered:
        if not isinstance(given, _Result):
            raise broken(self.executor, f"gave {type(given).__name__} instead of the result of the function")
        return given.index, given.value


@dataclass(frozen=True)
class _Result:
    """The result of an item with the number of the item."""

    index: int
    value: Any


@dataclass(frozen=True)
class _CheckedCall:
    """A picklable function of numbered items, whose result has the same number."""

    function: Callable[..., Any]

    def __call__(self, item: Numbered, *rest: Any) -> _Result:
        return _Result(item[0], self.function(item[1], *rest))


@dataclass(frozen=True)
class _Name:
    """A picklable function that names a numbered item."""

    name: Callable[[Any], str]

    def __call__(self, item: Numbered) -> str:
        return self.name(item[1])
