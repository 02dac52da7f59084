"""Connections to schedulers, and clusters that run for one command."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster

from nnplug.errors import InvalidOptions, NnplugError
from nnplug_dask.options import DaskOptions

DEVICE = "nnplug-device"
"""A Dask resource; each worker that nnplug starts has one, so that it trains one fold at a time."""

_START = "nnplug_dask.worker"
"""The module that workers of nnplug load first."""

_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
_KEEP_FREED_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""The settings of `nnplug.runtime.allocator` as environment variables.

By default a nanny makes its worker return memory to the kernel in steps of 64 KB; the kernel then zeroes the pages of
each new array. On volumes of medical images this takes longer than the computation.
"""


@dataclass(frozen=True)
class Session:
    """A connection to a scheduler.

    Attributes:
        client: the client of the scheduler.
        cluster: the cluster that was started; None for a scheduler that was already running.
        resources: Dask resources that a job on a device takes from its worker.
        slots: number of such jobs at once.
    """

    client: Client
    cluster: SpecCluster | None
    resources: Mapping[str, float]
    slots: int

    def close(self) -> None:
        """Disconnect, and end the started cluster."""
        self.client.close()
        if self.cluster is not None:
            self.cluster.close()


def connect(options: DaskOptions) -> Session:
    """Connect to the scheduler, or start a cluster.

    Raises:
        NnplugError: no scheduler answers, or it has no worker, or no worker with the resources.
        InvalidOptions: SLURMCluster does not accept the Slurm options.
    """
    if options.address:
        return _join(options)
    cluster = _slurm(options) if options.cluster == "slurm" else _local(options)
    client = Client(cluster)
    return Session(client, cluster, {DEVICE: 1}, len(options.gpus) or options.workers)


def _join(options: DaskOptions) -> Session:
    try:
        client = Client(options.address, timeout=options.timeout)
    except (OSError, ValueError, TimeoutError) as error:
        raise NnplugError(
            f"executor.address {options.address!r}: no Dask scheduler answers there ({error}). Start one with: dask "
            "scheduler"
        ) from error
    try:
        client.wait_for_workers(1, timeout=options.timeout)
    except TimeoutError as error:
        client.close()
        raise NnplugError(
            f"executor.address {options.address!r}: the scheduler has no workers. Start some with: dask worker "
            f"{options.address}"
        ) from error
    able = _count_able(client, options.resources)
    if not able:
        client.close()
        wanted = ",".join(f"{name}={amount:g}" for name, amount in options.resources.items())
        raise NnplugError(
            f"executor.resources {options.resources}: no worker of {options.address} has them. Start workers with: "
            f"dask worker {options.address} --resources {wanted}"
        )
    return Session(client, None, options.resources, able)


def _count_able(client: Client, resources: Mapping[str, float]) -> int:
    """Return the number of workers that have the resources."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return sum(all(w["resources"].get(name, 0) >= amount for name, amount in resources.items()) for w in workers)


def _local(options: DaskOptions) -> SpecCluster:
    """Start processes of this machine, each with its cores and, if `gpus` is given, its GPU."""
    devices: list[dict[str, str]] = [{"CUDA_VISIBLE_DEVICES": str(gpu)} for gpu in options.gpus]
    workers = {
        index: {
            "cls": Nanny,
            "options": {
                "nthreads": options.threads,
                "resources": {DEVICE: 1},
                "silence_logs": logging.ERROR,
                "preload": [_START],
                "memory_limit": 0,  # no limit: a training may use all memory
                "env": {"OMP_NUM_THREADS": str(options.threads), **own},
                "dashboard": False,
            },
        }
        for index, own in enumerate(devices or [{}] * options.workers)
    }
    scheduler = {
        "cls": Scheduler,
        "options": {"host": "127.0.0.1", "port": 0, "dashboard": False, "dashboard_address": "127.0.0.1:0"},
    }
    variables = {**_ONE_THREAD, **_KEEP_FREED_MEMORY}
    with dask.config.set({"distributed.nanny.pre-spawn-environ": variables}), _kept_environment():
        return SpecCluster(workers=workers, scheduler=scheduler, silence_logs=logging.ERROR)


@contextmanager
def _kept_environment() -> Generator[None, None, None]:
    """Restore the environment variables after the block.

    A nanny sets those of its worker in this process and leaves them there, so that every program started later would
    compute with one thread.
    """
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def _slurm(options: DaskOptions) -> SpecCluster:
    from dask_jobqueue.slurm import SLURMCluster

    given = {"cores": options.threads, "processes": 1, **options.slurm}
    extra = ["--resources", f"{DEVICE}=1", "--preload", _START, *given.pop("worker_extra_args", [])]
    try:
        cluster = SLURMCluster(**given, worker_extra_args=extra)
    except (TypeError, ValueError) as error:
        raise InvalidOptions(f"executor.slurm: {error}") from error
    cluster.scale(jobs=options.workers)
    return cluster
