"""One value for what every stage needs beside its task: plugins, executor, device, threads and progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from nnplug.registry.components import Registry
from nnplug.registry.loader import Plugins
from nnplug.runtime.executor import Executor, LocalExecutor, available_cores
from nnplug.runtime.progress import Progress, Silent

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Runtime:
    """The plugins, the machine and the screen with which stages work. `dataclasses.replace` changes a field.

    Attributes:
        plugins: where components come from.
        executor: where cases are worked on, folds are trained and images are predicted.
        device: where networks compute, as `--device` names it: "auto", "cpu", "cuda" or "mps"; "cuda:1" is one GPU of
            several. Every process chooses its own when it first computes.
        workers: threads of each process that trains or scores; None means one per core.
        progress: where to report.
    """

    plugins: Plugins
    executor: Executor = field(default_factory=LocalExecutor)
    device: str = "auto"
    workers: int | None = None
    progress: Progress = field(default_factory=Silent)

    def __post_init__(self) -> None:
        """Refuse a number of threads with which nothing would run."""
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers is {self.workers}; expected at least 1")

    @property
    def registry(self) -> Registry:
        """The components of the plugins."""
        return self.plugins.registry

    @property
    def threads(self) -> int:
        """The number of threads that load, augment and score in this process, at least 1."""
        return self.workers or available_cores()

    def torch_device(self) -> torch.device:
        """Choose the device of this process; raises as `nnplug.runtime.device.choose_device`."""
        from nnplug.runtime.device import choose_device

        return choose_device(self.device)

    def in_job(self, progress: Progress) -> Runtime:
        """Return the runtime of a job that an executor runs: threads of its own process, and its own progress."""
        return replace(self, executor=LocalExecutor(self.workers), progress=progress)

    def __reduce__(self) -> tuple[Callable[..., Runtime], tuple[Plugins]]:
        """Pickle plugins, device and workers; another process has no use for this one's executor and screen."""
        return partial(Runtime, device=self.device, workers=self.workers), (self.plugins,)
