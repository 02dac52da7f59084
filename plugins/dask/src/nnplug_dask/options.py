"""The options of the executor `dask`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class DaskOptions:
    """The scheduler to use, or the cluster to start.

    Attributes:
        address: address of a running scheduler, "tcp://HOST:8786"; if empty, a cluster is started, and ended with the
            command.
        resources: Dask resources of that scheduler's workers that the training of a fold, or the prediction of images,
            takes, such as {"GPU": 1} for workers that were started with `dask worker --resources GPU=1`.
        cluster: the cluster to start: processes of this machine, or jobs of Slurm.
        workers: number of workers to start.
        threads: cores per worker, and cases that it processes at once; it trains one fold at a time.
        gpus: CUDA devices of this machine; one local worker per device instead of `workers`.
        slurm: arguments of `dask_jobqueue.SLURMCluster`: queue, account, cores, memory, walltime, job_extra_directives
            ..
        timeout: seconds to wait for the scheduler, and for the first worker of a scheduler or machine.
    """

    address: str = ""
    resources: dict[str, float] = field(default_factory=dict)
    cluster: Literal["local", "slurm"] = "local"
    workers: int = 2
    threads: int = 1
    gpus: tuple[int, ...] = ()
    slurm: dict[str, Any] = field(default_factory=dict)
    timeout: float = 60.0

    def __post_init__(self) -> None:
        """Raise `ValueError` for options that start nothing or have no effect."""
        for name in ("workers", "threads", "timeout"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if self.slurm and self.cluster != "slurm":
            raise ValueError("slurm has options, but cluster is 'local'; set executor.cluster=slurm")
        if self.resources and not self.address:
            raise ValueError("resources are those of a running scheduler's workers; set executor.address too")
