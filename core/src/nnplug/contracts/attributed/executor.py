"""The executor of a component's jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nnplug.registry.attribution import attributed
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class AttributedExecutor(Executor):
    """An executor for the jobs of one component, to which it attributes their errors."""

    executor: Executor
    component: object

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
        """See `Executor.map`."""
        return self.executor.map(_AttributedCall(self.component, function), items, stage=stage, name=name)

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
        job = _AttributedCall(self.component, function)
        return self.executor.map_on_device(job, items, stage=stage, name=name, progress=progress)

    def close(self) -> None:
        """Do nothing: the owner of the wrapped executor closes it."""


@dataclass(frozen=True)
class _AttributedCall:
    """A picklable function that attributes errors to a component."""

    component: object
    function: Callable[..., Any]

    def __call__(self, *arguments: Any) -> Any:
        with attributed(self.component):
            return self.function(*arguments)
