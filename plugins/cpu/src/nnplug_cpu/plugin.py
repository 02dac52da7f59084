"""The components of this distribution."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import AcceleratorComponent, hookimpl


@hookimpl
def nnplug_accelerators() -> Iterable[AcceleratorComponent]:
    """Yield the accelerator for CPUs."""
    yield AcceleratorComponent("cpu", "nnplug_cpu.accelerator:CpuAccelerator", "convolutions and norms that suit a CPU")
