"""The components of this distribution."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import AcceleratorComponent, hookimpl


@hookimpl
def nnplug_accelerators() -> Iterable[AcceleratorComponent]:
    """Yield the accelerator for CUDA GPUs."""
    yield AcceleratorComponent(
        "cuda", "nnplug_cuda.accelerator:CudaAccelerator", "norms and memory order for a CUDA GPU"
    )
