"""Connections to schedulers, and clusters that are started for one command."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster

from nnplug.errors import InvalidOptions, NnplugError
from nnplug_dask.options import DaskOptions

DEVICE = "nnplug-device"
"""A resource of which workers that are started here have one: a fold is trained alone."""

_START = "nnplug_dask.worker"
"""The module that workers which are started here load first."""

_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
_KEEP_FREED_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
"""As `nnplug.runtime.memory` does it. By default a nanny has its worker give back every 64 KB, upon which the kernel
zeroes the pages of each new array: on volumes of medical images that takes longer than computing with them."""


@dataclass(frozen=True)
class Session:
    """A connection.

    Attributes:
        client: of the scheduler.
        cluster: what was started for it, None where the scheduler was there.
        resources: what a job that keeps a device busy takes of its worker.
        slots: how many such jobs run at once.
    """

    client: Client
    cluster: SpecCluster | None
    resources: Mapping[str, float]
    slots: int

    def close(self) -> None:
        """Disconnect, and end what was started."""
        self.client.close()
        if self.cluster is not None:
            self.cluster.close()


def connect(options: DaskOptions) -> Session:
    """Connect to the scheduler, or start a cluster.

    Raises:
        NnplugError: no scheduler answers, no worker comes, or none has the resources.
        InvalidOptions: the options of Slurm are none of SLURMCluster.
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
    able = _able(client, options.resources)
    if not able:
        client.close()
        wanted = ",".join(f"{name}={amount:g}" for name, amount in options.resources.items())
        raise NnplugError(
            f"executor.resources {options.resources}: no worker of {options.address} has them. Start workers with: "
            f"dask worker {options.address} --resources {wanted}"
        )
    return Session(client, None, options.resources, able)


def _able(client: Client, resources: Mapping[str, float]) -> int:
    """Return the number of workers that have the resources."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return sum(all(w["resources"].get(name, 0) >= amount for name, amount in resources.items()) for w in workers)


def _local(options: DaskOptions) -> SpecCluster:
    """Processes of this machine, each with its cores and, where they are named, its GPU."""
    devices: list[dict[str, str]] = [{"CUDA_VISIBLE_DEVICES": str(gpu)} for gpu in options.gpus]
    workers = {
        index: {
            "cls": Nanny,
            "options": {
                "nthreads": options.threads,
                "resources": {DEVICE: 1},
                "silence_logs": logging.ERROR,
                "preload": [_START],
                "memory_limit": 0,  # a training may take what there is
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
    with dask.config.set({"distributed.nanny.pre-spawn-environ": {**_ONE_THREAD, **_KEEP_FREED_MEMORY}}):
        return SpecCluster(workers=workers, scheduler=scheduler, silence_logs=logging.ERROR)


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
