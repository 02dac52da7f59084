"""The start of a Dask worker that runs nnplug's jobs alone.

Workers that nnplug starts load this module; others do so with `dask worker ADDRESS --preload nnplug_dask.worker`.
"""

from __future__ import annotations

from distributed import Worker

from nnplug.runtime.process import Work, prepare_process


def dask_setup(worker: Worker) -> None:  # noqa: ARG001 - Dask's signature
    """Adapt the worker's process to nnplug's work; Dask calls this when the worker starts."""
    prepare_process(Work.COMPUTE)
