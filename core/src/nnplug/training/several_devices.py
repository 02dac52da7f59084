"""Train on several devices, with one process per device. Each process computes its part of every batch."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist

from nnplug.errors import NnplugError, Problems
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.device import choose_device
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug.runtime.executor import available_cores
from nnplug.runtime.process import Work, prepare_process
from nnplug.runtime.progress import Progress, Silent
from nnplug.runtime.progress.events import Receiver, Sender
from nnplug.training.job import TrainingJob
from nnplug.training.train import train
from nnplug.workspace.layout import RunFolder

PATIENCE = timedelta(days=1)
"""The time that a process waits for the others, which may validate a fold."""

_GRACE = 2.0  # seconds to find the process that failed first, after another failed because of it


@dataclass(frozen=True)
class _Rank:
    """The arguments of one process.

    Attributes:
        world: the rank of the process and the number of processes.
        rendezvous: the file through which the processes find each other.
        job: the fold.
        runtime: with "cuda" or "cpu" as its device, and the threads of this process.
    """

    world: World
    rendezvous: Path
    job: TrainingJob
    runtime: Runtime


def train_together(job: TrainingJob, runtime: Runtime, *, devices: int) -> RunFolder:
    """Train a fold on several devices of this machine; otherwise equal to `nnplug.training.train.train`.

    Args:
        job: the fold.
        runtime: plugins, the type of the devices, and the number of threads of all processes together.
        devices: the number of devices.

    Raises:
        NnplugError: as in `train`; there are too few devices; or a process was killed.
    """
    device = runtime.torch_device()
    check_devices(device, devices)
    own = replace(runtime, device=device.type, workers=max(runtime.threads // devices, 1))
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as folder:
        processes: list[SpawnProcess] = []
        pipes = []
        try:
            for rank in range(devices):
                ours, theirs = context.Pipe(duplex=False)
                told = _Rank(World(rank, devices), Path(folder) / "ranks", job, own)
                process = context.Process(target=_run, args=(told, theirs), name=f"rank {rank}")
                process.start()
                processes.append(process)
                theirs.close()
                pipes.append(ours)
            _follow(processes, pipes, job, runtime.progress)
        finally:
            for process in processes:
                process.kill()
                process.join()
    return job.run


def check_devices(device: torch.device, devices: int) -> None:
    """Raise unless this machine has enough devices.

    Raises:
        NnplugError: there are fewer than `devices`.
    """
    there = {"cuda": torch.cuda.device_count(), "cpu": devices}.get(device.type, 1)
    if devices > there:
        raise NnplugError(
            f"{devices} devices: this machine has {there} of type {device.type}",
            Action.USE_FEWER_DEVICES(devices=there),
        )


def start_devices(environment: Mapping[str, str], device: str, devices: int, *, here: bool) -> World:
    """Check the devices before any work, and return the world: that of `torchrun` if it started this process.

    Args:
        environment: the environment variables of this process.
        device: "auto" or a type of device.
        devices: the requested number of devices per fold.
        here: whether folds are trained on this machine; if not, workers elsewhere choose their devices.

    Raises:
        NnplugError: there are too few devices, or several are requested although each process has one.
    """
    started = int(environment.get("WORLD_SIZE", "1")) > 1
    if devices > 1 and (started or not here):
        other = (
            "torchrun starts the processes itself" if started else "on a cluster each worker trains on its own device"
        )
        raise NnplugError(f"{devices} devices: {other}", Action.USE_OWN_DEVICE(devices=devices))
    if not here:
        return SINGLE_PROCESS
    chosen = choose_device(device)
    check_devices(chosen, devices)
    return join_world(environment, chosen)


def join_world(environment: Mapping[str, str], device: torch.device) -> World:
    """Return the world of the processes that `torchrun` started, or of a single process without `torchrun`.

    Args:
        environment: the environment variables of this process; torchrun sets RANK, LOCAL_RANK, WORLD_SIZE and
            LOCAL_WORLD_SIZE.
        device: the type of the devices. The device with the number LOCAL_RANK becomes the current one.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1:
        return SINGLE_PROCESS
    check_devices(device, int(environment["LOCAL_WORLD_SIZE"]))
    backend = _backend(_own_device(device.type, int(environment["LOCAL_RANK"])))
    dist.init_process_group(backend, timeout=PATIENCE)
    return World(int(environment["RANK"]), size)


def own_device(environment: Mapping[str, str], device: str) -> str:
    """Return the device of a process that `torchrun` started: of the given type, with the number LOCAL_RANK.

    A thread begins with the first GPU, whatever the current one of its parent is, so the device must have its number.
    """
    return str(_own_device(choose_device(device).type, int(environment["LOCAL_RANK"])))


def leave_world(world: World) -> None:
    """End the process group that `join_world` started."""
    if world.size > 1:
        dist.destroy_process_group()


def _follow(
    processes: Sequence[SpawnProcess], pipes: Sequence[Connection], job: TrainingJob, progress: Progress
) -> None:
    """Pass on the reports of the processes until all have ended without an error."""
    receiver, problems = Receiver(progress), _Problems()
    running, open_pipes = list(processes), list(pipes)
    try:
        while running and not problems.lines:
            ready = set(wait([*open_pipes, *(process.sentinel for process in running)]))
            for pipe in [pipe for pipe in open_pipes if pipe in ready]:
                if not _receive(pipe, receiver, problems):
                    open_pipes.remove(pipe)
            ended = [process for process in running if process.sentinel in ready]
            running = [process for process in running if process not in ended]
            for process in ended:
                process.join()  # the sentinel is ready a moment before there is an exit code
            if any(process.exitcode for process in ended):
                break
    finally:
        receiver.close()
    if any(process.exitcode or process in running for process in processes):
        _explain(processes, open_pipes, problems, receiver, job)


class _Problems:
    """The failures that processes reported."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.bugs: list[str] = []


def _receive(pipe: Connection, receiver: Receiver, problems: _Problems) -> bool:
    """Receive one message; return whether there may be more."""
    try:
        event = pipe.recv()
    except EOFError:
        return False
    if event[0] == "failed":
        problems.lines += event[1]
    elif event[0] == "bug":
        problems.bugs.append(event[1])
    else:
        receiver.receive("main process", event)
    return True


def _explain(
    processes: Sequence[SpawnProcess],
    pipes: Sequence[Connection],
    problems: _Problems,
    receiver: Receiver,
    job: TrainingJob,
) -> None:
    """Raise the first error: when one process ends, the others fail because of it."""
    for process in processes:
        process.join(_GRACE)
    for pipe in pipes:
        while pipe.poll() and _receive(pipe, receiver, problems):
            pass
    killed = [process for process in processes if (process.exitcode or 0) < 0]
    if killed:  # before the errors of the others, which follow from it
        name = signal.Signals(-(killed[0].exitcode or 0)).name
        raise NnplugError(
            f"{job.run.path}: the process of {killed[0].name} was killed ({name}). Too little memory is the usual "
            "cause; run the same command again, which goes on where it was."
        )
    if problems.lines:
        raise Problems(tuple(dict.fromkeys(problems.lines)))
    raise RuntimeError("\n".join(problems.bugs) or f"{job.run.path}: a process ended without an error message")


def _run(rank: _Rank, pipe: Connection) -> None:
    """Train and report in a process of its own, which ends with the process that started it."""
    prepare_process(Work.COMPUTE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which ends this process
    sys.stdout = sys.stderr  # the parent prints the results; text that plugins print here must not mix with them
    threading.Thread(target=_end_with_parent, daemon=True).start()
    device = _own_device(rank.runtime.device, rank.world.rank)
    if device.type == "cpu":
        torch.set_num_threads(max(available_cores() // rank.world.size, 1))
    try:
        dist.init_process_group(
            _backend(device),
            init_method=rank.rendezvous.as_uri(),
            rank=rank.world.rank,
            world_size=rank.world.size,
            timeout=PATIENCE,
        )
        progress = Sender(pipe.send) if rank.world.is_main else Silent()
        train(rank.job, replace(rank.runtime, device=str(device), progress=progress), world=rank.world)
    except NnplugError as error:
        pipe.send(("failed", list(error.lines)))
        sys.exit(1)
    except Exception:  # noqa: BLE001 - a bug, or another rank has ended: the parent finds out which
        pipe.send(("bug", traceback.format_exc()))
        sys.exit(1)
    dist.destroy_process_group()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _own_device(kind: str, index: int) -> torch.device:
    return torch.device(kind, index) if kind == "cuda" else torch.device(kind)


def _backend(device: torch.device) -> str:
    if device.type != "cuda":
        return "gloo"
    torch.cuda.set_device(device)
    return "nccl"
