"""The machine: versions, memory, and the rates that everything else is held against."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import torch

from gpu.row import Row
from gpu.site import Site

_MB = 1 << 20


def rows(site: Site) -> Iterator[Row]:
    """Yield versions as notes, free memory, copy rates and the cost of a launch."""
    device = site.torch_device
    name = torch.cuda.get_device_name(device) if site.device == "cuda" else "CPU"
    yield Row(section="machine", what="cores", value=os.cpu_count() or 0, note=f"{name}, PyTorch {torch.__version__}")
    if site.device == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        yield Row(section="machine", what="free memory", value=free / 2**30, unit="GiB", note=f"of {total / 2**30:.1f}")
    size = site.pick(256 * _MB, 4 * _MB)
    host, there = torch.ones(size, dtype=torch.uint8), torch.ones(size, dtype=torch.uint8, device=device)
    copies: dict[str, Callable[[], object]] = {"host to device, pageable": lambda: there.copy_(host)}
    if site.device == "cuda":
        pinned = host.pin_memory()
        copies["host to device, pinned"] = lambda: there.copy_(pinned, non_blocking=True)
    target = torch.empty_like(there)
    copies["device to device"] = lambda: target.copy_(there)
    for what, copy in copies.items():
        yield Row(section="machine", what=what, value=size / _seconds(site, copy, 10) / 1e9, unit="GB/s")
    one = torch.ones(16, device=device)
    yield Row(
        section="machine", what="one small operation", value=1e6 * _seconds(site, lambda: one.add_(1), 2000), unit="us"
    )


def _seconds(site: Site, work: Callable[[], object], times: int) -> float:
    """Return the seconds of one call, from many without waiting between them."""
    for _ in range(3):
        work()
    site.wait()
    started = time.perf_counter()
    for _ in range(times):
        work()
    site.wait()
    return (time.perf_counter() - started) / times
