"""Run jobs: one function over many cases, or one training after the other.

Executors are components: `local` is here, others (a cluster) come from plugins. What is given to one must be such that
another process can run it: functions of a module, methods and `partial`s of frozen dataclasses, never closures.
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
    """Runs jobs: cases to read, folds to train, images to predict. Results come in the order of the items."""

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
        """Run `function` on every item: work for one core, as many at once as there are cores.

        Args:
            function: what to do with one item; it can be pickled.
            items: cases, usually; they can be pickled.
            stage: what is being done, for messages ("preprocess").
            name: how messages call an item; it can be pickled.

        Raises:
            Problems: some items failed; one line each, with stage, item and cause. The others were finished.
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
        """Run `function` on every item: long work that keeps a GPU, or all cores, busy; one at once per device.

        Args:
            function: what to do with one item and a place to report to; it can be pickled, and it can be run again
                on the same item after it was killed.
            items: folds to train or images to predict; they can be pickled.
            stage: what is being done, for messages ("train").
            name: how messages call an item; it can be pickled.
            progress: where what the functions report ends up.

        Raises:
            Problems: as `map` does.
        """
        ...

    def close(self) -> None:
        """Let go of what was started or connected to; nothing is run afterwards."""
        ...


@dataclass(frozen=True)
class LocalExecutor(Executor):
    """Threads of this process: numpy, scipy, torch and SimpleITK release the interpreter while they compute.

    Attributes:
        workers: how many cases are in work at once; None means one per core that this process may use.
    """

    workers: int | None = None

    def __post_init__(self) -> None:
        """Refuse numbers with which nothing would run."""
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers is {self.workers}; expected at least 1")

    @property
    def slots(self) -> int:
        """One: all devices of this machine belong to the job that runs."""
        return 1

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
        """See `Executor.map_on_device`: one after the other in this thread."""

        def work(item: Item) -> Result | Failure:
            return attempt(lambda: function(item, progress), what=f"{stage} of {name(item)}")

        yield from collected(map(work, items))

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True)
class Failure:
    """The failure of an item for a reason that users can mend.

    Attributes:
        lines: what to tell them.
        trace: where it came from, for those who mend programs.
    """

    lines: tuple[str, ...]
    trace: str = field(default="", compare=False)


def attempt(job: Callable[[], Result], *, what: str) -> Result | Failure:
    """Run a job; what users can cause comes back as lines, all else is raised.

    Args:
        job: what to run.
        what: begins the line ("preprocess of case_01"); several problems of one job name their own cases.
    """
    try:
        return job()
    except Problems as error:
        return Failure(error.lines, _trace(error))
    except _EXPECTED as error:
        cause = error.lines[0] if isinstance(error, NnplugError) else f"{type(error).__name__}: {error}"
        return Failure((within(f"{what}: ", cause),), _trace(error))


def collected(outcomes: Iterable[Result | Failure]) -> Iterator[Result]:
    """Give what succeeded, and raise the `Problems` of the rest when all are through, with the trace of the first."""
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
    """The number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
