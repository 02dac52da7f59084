"""Run jobs: one function over many cases, or one training after the other.

Executors are components: `local` is here, others (a cluster) come from plugins. Functions and items must be picklable,
so that another process can run them: functions of a module, methods and `partial`s of frozen data classes, no closures.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor as Pool
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from nnplug.errors import NnplugError, Problems, within
from nnplug.runtime.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")

_EXPECTED = (NnplugError, OSError, MemoryError, ValueError, RuntimeError)


class Executor(Protocol):
    """A component that runs jobs: cases to read, folds to train, images to predict. Results keep the order of items."""

    @property
    def slots(self) -> int:
        """The number of items that `map_on_device` runs at once, at least 1."""
        ...

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """Run `function` on every item and yield the results. Each item takes one core; all cores work at once.

        Args:
            function: processes one item; picklable.
            items: usually cases; picklable.
            stage: the name of the work in messages ("preprocess").
            name: returns the name of an item in messages; picklable.

        Raises:
            Problems: some items failed; a line for each has stage, item and cause. All other items are finished.
        """
        ...

    def map_on_device(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
        progress: Progress,
    ) -> Iterator[Result]:
        """Run `function` on every item and yield the results: long work that uses a GPU, or all cores.

        Each device runs one item at a time.

        Args:
            function: processes one item and reports to a `Progress`; picklable. After a kill it can run again on the
                same item.
            items: folds to train or images to predict; picklable.
            stage: the name of the work in messages ("train").
            name: returns the name of an item in messages; picklable.
            progress: receives the reports of the functions.

        Raises:
            Problems: as in `map`.
        """
        ...

    def close(self) -> None:
        """End what the executor has started and close its connections. No job is run afterwards."""
        ...


@dataclass(frozen=True)
class LocalExecutor(Executor):
    """An executor with threads of this process: numpy, scipy, torch and SimpleITK compute without the interpreter lock.

    Attributes:
        workers: the number of cases that are processed at once; None: one per core that this process may use.
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` unless there is at least one worker."""
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers is {self.workers}; expected at least 1")

    @property
    def slots(self) -> int:
        """One: the job that runs uses all devices of this machine."""
        return 1

    def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
    ) -> Iterator[Result]:
        """See `Executor.map`. At most twice `workers` results are held before the caller takes them."""
        workers = self.workers or available_cores()

        def work(item: Item) -> Result | Failure:
            return attempt(lambda: function(item), what=f"{stage} of {name(item)}")

        with ThreadPoolExecutor(workers) as pool:
            yield from collected(_bounded(pool, work, items, 2 * workers))

    def map_on_device(
        self,
        function: Callable[[Item, Progress], Result],
        items: Sequence[Item],
        *,
        stage: str,
        name: Callable[[Item], str] = str,
        progress: Progress,
    ) -> Iterator[Result]:
        """See `Executor.map_on_device`. Items run one after the other in this thread."""

        def work(item: Item) -> Result | Failure:
            return attempt(lambda: function(item, progress), what=f"{stage} of {name(item)}")

        yield from collected(map(work, items))

    def close(self) -> None:
        """Do nothing: no thread is left after `map`."""


@dataclass(frozen=True)
class Failure:
    """The failure of an item for a reason that users can remedy.

    Attributes:
        lines: the messages for the user.
        trace: the traceback, for developers.
    """

    lines: tuple[str, ...]
    trace: str = field(default="", compare=False)


def attempt(job: Callable[[], Result], *, what: str) -> Result | Failure:
    """Run a job and return its result, or a `Failure` for errors that users can cause. Other errors are raised.

    Args:
        job: the function to run.
        what: the beginning of the message ("preprocess of case_01"). `Problems` name their own cases.
    """
    try:
        return job()
    except Problems as error:
        return Failure(error.lines, _trace(error))
    except _EXPECTED as error:
        cause = error.lines[0] if isinstance(error, NnplugError) else f"{type(error).__name__}: {error}"
        return Failure((within(f"{what}: ", cause),), _trace(error))


def collected(outcomes: Iterable[Result | Failure]) -> Iterator[Result]:
    """Yield the results; after the last one, raise the `Problems` of the failures, with the traceback of the first."""
    lines: list[str] = []
    traces: list[str] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            lines += outcome.lines
            traces.append(outcome.trace)
        else:
            yield outcome
    if lines:
        problems = Problems(lines)
        problems.add_note(next(filter(None, traces), ""))
        raise problems


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _bounded(pool: Pool, function: Callable[[Item], Result], items: Sequence[Item], ahead: int) -> Iterator[Result]:
    waiting: list[Future[Result]] = []
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > ahead:
            yield waiting.pop(0).result()
    while waiting:
        yield waiting.pop(0).result()


def available_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
