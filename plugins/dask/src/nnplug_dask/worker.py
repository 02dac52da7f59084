"""Preparation of a Dask worker that runs only nnplug's jobs.

Workers that nnplug starts load this module; other workers load it with `dask worker ADDRESS --preload
nnplug_dask.worker`.
"""

from __future__ import annotations

from distributed import Worker

from nnplug.runtime.process import Work, prepare_process


def dask_setup(worker: Worker) -> None:  # noqa: ARG001 - Dask's signature
    """Prepare the worker's process for nnplug's work; Dask calls this when the worker starts."""
    prepare_process(Work.COMPUTE)
