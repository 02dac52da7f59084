"""The checks of `nnplug.contracts.Executor`, and an executor that checks that jobs are picklable."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TypeVar

from nnplug.contracts import Executor
from nnplug.errors import NnplugError, Problems
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Advance, Progress, Silent
from nnplug.testing.check import Checks, ContractBroken, Subject, imports_no_torch, require

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS = tuple(range(12))
BAD = 5


class PicklingExecutor(LocalExecutor):
    """An executor with threads that get pickled copies of functions, items and names, as another process does."""

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """See `Executor.map`."""
        return super().map(pickled(function), pickled(items), stage=stage, name=pickled(name))

    def map_on_device(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
        progress: Progress,
    ) -> Iterator[Result]:
        """See `Executor.map_on_device`. The progress is not pickled."""
        return super().map_on_device(
            pickled(function), pickled(items), stage=stage, name=pickled(name), progress=progress
        )


def pickled(value: Result) -> Result:
    """Return the copy that another process gets of a function or of its items.

    Raises:
        ContractBroken: it cannot be pickled.
    """
    try:
        copy: Result = pickle.loads(pickle.dumps(value))  # noqa: S301 - pickled in the same line
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ContractBroken(
            f"a function given to executor.map cannot go to another process ({error}); give a function of a module, "
            "or a functools.partial of one, and items that can be pickled"
        ) from error
    return copy


class _Heard(Silent):
    """A progress that records the reports."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
        self.lines.append(f"{title} {done}/{total}")
        yield lambda latest: self.lines.append(f"{title} {latest}")

    def notice(self, message: str) -> None:
        self.lines.append(message)


def square(item: int) -> int:
    """Return the square of an item; raise for one item."""
    if item == BAD:
        raise NnplugError(f"{item} is bad")
    return item * item


def train(item: int, progress: Progress) -> int:
    """Run a job that reports its progress."""
    with progress.task(f"item {item}", 3, done=1) as advance:
        advance("one")
        advance("two")
    progress.notice(f"{item} is through")
    return square(item)


def called(item: int) -> str:
    """Return the name of an item in messages."""
    return f"case_{item}"


def _keeps_the_order(subject: Subject) -> None:
    good = [item for item in ITEMS if item != BAD]
    with _opened(subject) as executor:
        require(executor.slots >= 1, f"slots is {executor.slots}; at least one item is in work at once")
        found = list(executor.map(square, good, stage="kit", name=called))
        require(found == [item * item for item in good], f"the squares of {good} came back as {found}")
        require(list(executor.map(square, [], stage="kit")) == [], "no items gave results")


def _names_what_failed(subject: Subject) -> None:
    with _opened(subject) as executor:
        _check_failures("map", executor.map(square, ITEMS, stage="kit", name=called))
        long = executor.map_on_device(train, ITEMS, stage="kit", name=called, progress=Silent())
        _check_failures("map_on_device", long)


def _check_failures(what: str, results: Iterator[int]) -> None:
    found: list[int] = []
    try:
        for result in results:  # extend() would store nothing if the iterator raises
            found.append(result)  # noqa: PERF402
    except Problems as problems:
        require(len(found) == len(ITEMS) - 1, f"{what}: one of {len(ITEMS)} items failed, {len(found)} were finished")
        expected = (f"kit of case_{BAD}: {BAD} is bad",)
        require(problems.lines == expected, f"{what} said {problems.lines} instead of {expected}")
    else:
        raise ContractBroken(f"{what} raised no Problems though an item failed")


def _relays_progress(subject: Subject) -> None:
    heard = _Heard()
    with _opened(subject) as executor:
        found = list(executor.map_on_device(train, (2, 3), stage="kit", name=called, progress=heard))
    require(found == [4, 9], f"the squares of 2 and 3 came back as {found}")
    for item in (2, 3):
        for line in (f"item {item} 1/3", f"item {item} two", f"{item} is through"):
            require(line in heard.lines, f"what a job reported did not arrive: {line!r} is not in {heard.lines}")


@contextmanager
def _opened(subject: Subject) -> Iterator[Executor]:
    executor: Executor = subject.create()
    with closing(executor):
        yield executor


CHECKS: Checks = {
    "imports no torch": imports_no_torch,
    "gives results in the order of the items": _keeps_the_order,
    "finishes the others where one fails, and names it": _names_what_failed,
    "relays what jobs report": _relays_progress,
}
