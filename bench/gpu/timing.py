"""Time work on a device."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from gpu.site import Site


@dataclass(frozen=True)
class Timing:
    """The cost of one call.

    Attributes:
        first: seconds of the first call, with compiling and the measuring of algorithms.
        seconds: of each later one, from calls that do not wait for one another.
        launched: seconds until the host has launched one; the rest of `seconds` it waits.
        allocated: the largest size of all tensors, in GiB; 0 on a CPU.
        reserved: the memory that PyTorch took from the GPU, in GiB; 0 on a CPU.
    """

    first: float
    seconds: float
    launched: float
    allocated: float
    reserved: float


def timing(site: Site, work: Callable[[], object], *, warm: int, times: int) -> Timing:
    """Return the cost of a call of `work`.

    Args:
        site: the device.
        work: called `warm` + `times` times.
        warm: calls that are not timed, at least 1.
        times: calls that are timed.
    """
    if site.device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    first = _seconds(site, work)
    for _ in range(warm - 1):
        work()
    site.wait()
    started = time.perf_counter()
    for _ in range(times):
        work()
    launched = time.perf_counter() - started
    site.wait()
    seconds = time.perf_counter() - started
    allocated, reserved = 0.0, 0.0
    if site.device == "cuda":
        allocated, reserved = torch.cuda.max_memory_allocated() / 2**30, torch.cuda.max_memory_reserved() / 2**30
    return Timing(first, seconds / times, launched / times, allocated, reserved)


def _seconds(site: Site, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    site.wait()
    return time.perf_counter() - started
