"""The entries of this distribution."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import ExecutorComponent, hookimpl


@hookimpl
def nnplug_executors() -> Iterable[ExecutorComponent]:
    """Yield the Dask executor."""
    yield ExecutorComponent(
        "dask", "nnplug_dask.executor:DaskExecutor", "a Dask cluster: running, of local processes, or Slurm"
    )
