"""What this distribution offers."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import Component, hookimpl


@hookimpl
def nnplug_executors() -> Iterable[Component]:
    """A cluster."""
    yield Component(
        "dask", "nnplug_dask.executor:DaskExecutor", "a Dask cluster: running, of local processes, or Slurm"
    )
