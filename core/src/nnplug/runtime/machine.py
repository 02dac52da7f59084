"""The cores, memory and devices of this machine, as far as this process may use them.

psutil reads them on every system, but not the limits of a container (control groups of Linux). Those are read here.
"""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from math import floor
from pathlib import Path
from typing import Self

import psutil
import torch

from nnplug.runtime.device import autocast_dtype
from nnplug.runtime.executor import available_cores

_PROC, _CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, never written
_UNLIMITED = 1 << 60  # version 1 control groups write a number near 2^63 for "no limit"


@dataclass(frozen=True)
class Space:
    """A volume of memory or disk, in bytes."""

    total: int
    free: int


@dataclass(frozen=True)
class Gpu:
    """A device that PyTorch can compute on.

    Attributes:
        name: the maker's name.
        memory: bytes; for an Apple GPU, the part of the main memory that PyTorch may use.
        bf16: whether the device has bfloat16 arithmetic.
    """

    name: str
    memory: Space
    bf16: bool


@dataclass(frozen=True)
class Machine:
    """Cores, memory and devices.

    Attributes:
        system: name and release of the operating system.
        python: the version.
        torch: the version, with the device that it was built for ("2.13.0+cpu").
        processor: model name.
        cores: the number of cores that this process may run on (affinity, and the quota of a container).
        cores_installed: the number of cores of the machine.
        memory: of the machine or of the container, the smaller one.
        shared_memory: /dev/shm; None if it does not exist.
        disk: the disk of the workspace.
        gpus: the GPUs that PyTorch finds.
        nvidia_driver: whether NVIDIA's driver is loaded, also if PyTorch finds no GPU.
        cpu_bf16: whether the CPU has instructions for bfloat16.
    """

    system: str
    python: str
    torch: str
    processor: str
    cores: int
    cores_installed: int
    memory: Space
    shared_memory: Space | None
    disk: Space
    gpus: tuple[Gpu, ...]
    nvidia_driver: bool
    cpu_bf16: bool


def inspect_machine(folder: Path) -> Machine:
    """Return the cores, memory and devices of this machine.

    Args:
        folder: the present or future folder of the workspace; it selects the disk.
    """
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        torch=str(torch.__version__),
        processor=processor_name(),
        cores=usable_cores(),
        cores_installed=psutil.cpu_count() or 1,
        memory=memory(),
        shared_memory=_space(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None,
        disk=_space(_existing(folder)),
        gpus=_gpus(),
        nvidia_driver=(_PROC / "driver" / "nvidia").is_dir(),
        cpu_bf16=autocast_dtype(torch.device("cpu")) is not None,
    )


_COMPUTING = ("user", "nice", "system", "irq", "softirq", "steal")
"""The parts of a core's time in which it computes; systems other than Linux have some of them."""


def _seconds_of_others() -> float:
    """Return the seconds for which other programs have computed on the cores of this process."""
    own, times = psutil.Process(), psutil.cpu_times(percpu=True)
    allowed = own.cpu_affinity() if hasattr(own, "cpu_affinity") else range(len(times))
    busy = sum(getattr(times[core], part, 0.0) for core in allowed if core < len(times) for part in _COMPUTING)
    return float(busy - sum(own.cpu_times()[:4]))


@dataclass(frozen=True)
class OtherPrograms:
    """The computing of other programs on the cores of this process, since a moment.

    Attributes:
        began: the moment, as `time.monotonic` gives it.
        seconds: the seconds of all cores for which they had computed then.
    """

    began: float
    seconds: float

    @classmethod
    def from_now(cls) -> Self:
        """Return them since this moment."""
        return cls(time.monotonic(), _seconds_of_others())

    def cores(self) -> float:
        """Return the mean number of cores that they have used."""
        return max(_seconds_of_others() - self.seconds, 0.0) / max(time.monotonic() - self.began, 1e-9)


def processor_name() -> str:
    """Return the model name of the CPU; if the system does not report it, its architecture."""
    for line in _lines(_PROC / "cpuinfo"):
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return the number of cores that this process may run on; a container's quota of 1.5 cores counts as one."""
    version_2 = _numbers(_CGROUP / "cpu.max")
    quota = _numbers(_CGROUP / "cpu" / "cpu.cfs_quota_us") + _numbers(_CGROUP / "cpu" / "cpu.cfs_period_us")
    limits = [a / b for a, b in (numbers for numbers in (version_2, quota) if len(numbers) == 2) if a > 0 and b > 0]
    return max(1, floor(min([available_cores(), *limits])))


def memory() -> Space:
    """Return the main memory, or the container's limit, in bytes."""
    machine = psutil.virtual_memory()
    whole = Space(machine.total, machine.available)
    for limit, used in (
        (_CGROUP / "memory.max", _CGROUP / "memory.current"),
        (_CGROUP / "memory" / "memory.limit_in_bytes", _CGROUP / "memory" / "memory.usage_in_bytes"),
    ):
        most, now = _numbers(limit), _numbers(used)
        if most and now and 0 < most[0] < min(whole.total, _UNLIMITED):
            whole = Space(most[0], min(whole.free, max(0, most[0] - now[0])))
    return whole


def _gpus() -> tuple[Gpu, ...]:
    if torch.cuda.is_available():
        return tuple(_cuda(index) for index in range(torch.cuda.device_count()))
    if torch.backends.mps.is_available():
        most = int(torch.mps.recommended_max_memory())
        return (Gpu(f"{processor_name()} (MPS)", Space(most, most - torch.mps.driver_allocated_memory()), bf16=False),)
    return ()


def _cuda(index: int) -> Gpu:
    free, total = torch.cuda.mem_get_info(index)
    native = torch.cuda.get_device_capability(index) >= (8, 0)  # older ones emulate it
    return Gpu(torch.cuda.get_device_name(index), Space(total, free), bf16=native)


def _space(folder: Path) -> Space:
    usage = psutil.disk_usage(str(folder))
    return Space(usage.total, usage.free)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest existing folder above it."""
    absolute = folder.absolute()
    return next(place for place in (absolute, *absolute.parents) if place.is_dir())


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # another system, or a container that hides it
        return []


def _numbers(path: Path) -> list[int]:
    """Return the integers in the first line of a file; other words such as "max" are left out."""
    return [int(word) for line in _lines(path)[:1] for word in line.split() if word.lstrip("-").isdecimal()]
