"""The plugins, the executor and the progress of one step, from the words that a user gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nnplug.errors import NnplugError
from nnplug.io.readers import Readers
from nnplug.registry.components import Kind, Registry
from nnplug.registry.loader import Plugins, report_plugins
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress
from nnplug.runtime.progress.calls import Calls, Logged
from nnplug.steps.choices import RuntimeOptions
from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
from nnplug.steps.folders import dataset_folder, workspace_root

ProgressArgument = Progress | Callable[[str, int, int, str], None] | None
"""The progress that a step takes: None, a function (title, done, total, latest), or a `Progress`."""


def progress_of(given: ProgressArgument) -> Progress:
    """Return the progress of a step; without a `Progress`, notices and warnings go to the logger "nnplug"."""
    if given is None:
        return Logged()
    return given if isinstance(given, Progress) else Calls(given)


def make_executor(options: RuntimeOptions, registry: Registry) -> Executor:
    """Return the executor; with the executor `local`, its workers are those of the options unless they are set.

    Raises:
        UnknownComponent, AmbiguousComponent: no distribution offers the executor, or several do.
        InvalidOptions: an option is unknown or its value is invalid.
    """
    own = {"workers": options.workers} if options.executor == "local" and options.workers else {}
    given = options.overrides.get(Kind.EXECUTOR, {})
    executor: Executor = registry.create(Kind.EXECUTOR, options.executor, {**own, **given})
    return executor


@contextmanager
def session(
    options: RuntimeOptions, progress: ProgressArgument, plugins: Plugins | None, *, trains: bool = False
) -> Iterator[Runtime]:
    """Yield the runtime of a step that Python calls, and close its executor at the end.

    Args:
        options: the choices for the machine.
        progress: None, a function or a `Progress`.
        plugins: the plugins that offer the components; None for the installed ones.
        trains: whether the workers are also threads of the processes that train.

    Raises:
        NnplugError: workers are given for another executor than `local` and no process that trains.
        UnknownComponent, AmbiguousComponent, InvalidOptions: as in `make_executor`.
    """
    told = progress_of(progress)
    if options.workers and options.executor != "local" and not trains:
        raise NnplugError(
            f"workers={options.workers} counts threads of this machine, not those of executor {options.executor!r}",
            Action.SET_OPTION(assignment=f"executor.workers={options.workers}"),
        )
    own = Plugins() if plugins is None else plugins
    if plugins is None:
        report_plugins(own, told)
    executor = make_executor(options, own.registry)
    try:
        yield Runtime(own, executor, options.device, options.workers, told, options.gpu_memory_gb)
    finally:
        executor.close()


def open_place(dataset: str | Path, workspace: str | Path | None, runtime: Runtime) -> DatasetInWorkspace:
    """Return the dataset and the workspace that a user names; see `dataset_folder` and `workspace_root`.

    Raises:
        NnplugError: there is no such dataset.
        InvalidFile: its `dataset.json` is missing or has faults.
    """
    folder = dataset_folder(dataset).absolute()  # jobs on a cluster run in other folders
    return DatasetInWorkspace.open(folder, workspace_root(workspace), Readers.of(runtime.registry))
