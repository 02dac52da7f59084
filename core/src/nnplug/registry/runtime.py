"""The plugins, executor, device, threads and progress that every step needs, in one value."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from nnplug.registry.checked_executor import checked_executor
from nnplug.registry.components import Registry
from nnplug.registry.loader import Plugins
from nnplug.runtime.executor import Executor, LocalExecutor, available_cores
from nnplug.runtime.progress import Progress, Silent

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Runtime:
    """The plugins, the machine and the progress of a step. To change a field, use `dataclasses.replace`.

    Attributes:
        plugins: the plugins that offer the components.
        executor: runs the jobs: cases to process, folds to train, images to predict.
        device: the device that the user names, for networks: "auto", "cpu", "cuda" or "mps"; "cuda:1" is one GPU of
            several. Every process chooses its device when it first computes.
        workers: the number of threads of each process that trains or scores; None: one per core.
        progress: receives progress, notices and warnings.
        gpu_memory_gb: the GB (2^30 bytes) of a GPU that this process may allocate; None for all of it.
    """

    plugins: Plugins
    executor: Executor = field(default_factory=LocalExecutor)
    device: str = "auto"
    workers: int | None = None
    progress: Progress = field(default_factory=Silent)
    gpu_memory_gb: float | None = None

    def __post_init__(self) -> None:
        """Check the results of an executor of a plugin; raise `ValueError` for numbers out of range."""
        if self.gpu_memory_gb is not None and not self.gpu_memory_gb > 0:
            raise ValueError(f"gpu_memory_gb is {self.gpu_memory_gb}; expected more than 0")
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers is {self.workers}; expected at least 1")
        object.__setattr__(self, "executor", checked_executor(self.executor))

    @property
    def registry(self) -> Registry:
        """The components of the plugins."""
        return self.plugins.registry

    @property
    def threads(self) -> int:
        """The number of threads that load, augment and score in this process, at least 1."""
        return self.workers or available_cores()

    def torch_device(self) -> torch.device:
        """Return the device of this process.

        Raises:
            NnplugError: as in `nnplug.runtime.device.choose_device`.
        """
        from nnplug.runtime.device import choose_device

        return choose_device(self.device)

    def limited_memory(self) -> AbstractContextManager[None]:
        """Return the context in which PyTorch allocates at most `gpu_memory_gb` on the device of this process.

        Raises:
            NnplugError: as in `torch_device`.
        """
        from nnplug.runtime.device import memory_budget

        return nullcontext() if self.gpu_memory_gb is None else memory_budget(self.torch_device(), self.gpu_memory_gb)

    def in_job(self, progress: Progress) -> Runtime:
        """Return the runtime of a job that an executor runs: with the threads of its process, and `progress`."""
        return replace(self, executor=LocalExecutor(self.workers), progress=progress)

    def __reduce__(self) -> tuple[Callable[..., Runtime], tuple[Plugins]]:
        """Pickle plugins, device, workers and budget. Another process cannot use this one's executor and progress."""
        chosen = partial(Runtime, device=self.device, workers=self.workers, gpu_memory_gb=self.gpu_memory_gb)
        return chosen, (self.plugins,)
