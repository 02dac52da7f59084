"""Choose the number of windows that go through the network together."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from nnplug.plans.plans import Configuration
from nnplug.runtime.device import free_memory, peak_memory

CPU_VOXELS = 1 << 20  # per pass: more voxels are not faster and take more memory
GPU_VOXELS = 1 << 24
"""Voxels of a pass on a GPU: more of them are not faster. Eight mirror images of a patch of 128^3 fill it."""

_LOGITS = 1 << 30
"""The numbers of a pass's logits, at most: operations on 2^31 numbers are slow, or need other kernels."""
_MEMORY_SHARE = 3
"""Windows may take this part of a GPU's free memory: sums take up to half of it."""
_LOGIT_BYTES = 8
"""Bytes of a voxel's logit beside the network: in half precision with its mirror image, and in the float32 mean."""


def windows_per_pass(
    configuration: Configuration,
    device: torch.device,
    *,
    channels: int,
    outputs: int,
    network: Callable[[torch.Tensor], object],
) -> int:
    """Return the number of windows, and of mirror images of windows, per pass through the network.

    On a CPU it is that of the training, or less if windows are large. On a GPU one window of zeros is computed, and the
    memory that it takes is measured.

    Args:
        configuration: patch size, and batch size of the training.
        device: the device of the network.
        channels: the channels of windows.
        outputs: the channels of logits.
        network: computes windows (B, channels, *patch) float32.

    Raises:
        torch.OutOfMemoryError: the GPU has too little memory for one window.
    """
    voxels = math.prod(configuration.patch_size)
    if device.type == "cpu":
        return max(1, min(configuration.batch_size, CPU_VOXELS // voxels))
    if device.type != "cuda":
        return configuration.batch_size
    window = torch.zeros((1, channels, *configuration.patch_size), device=device)
    peak = peak_memory(device, lambda: network(window))
    return fitting_windows(configuration, outputs=outputs, peak=peak, free=free_memory(device) or 0)


def fitting_windows(configuration: Configuration, *, outputs: int, peak: int, free: int) -> int:
    """Return the number of windows and mirror images per pass on a GPU.

    Args:
        configuration: patch size, and batch size of the training.
        outputs: the channels of logits.
        peak: the bytes that the network takes for one window.
        free: the free bytes of the GPU.
    """
    voxels = math.prod(configuration.patch_size)
    fitting = free // _MEMORY_SHARE // max(1, peak + _LOGIT_BYTES * outputs * voxels)
    return max(1, min(max(configuration.batch_size, GPU_VOXELS // voxels), _LOGITS // (outputs * voxels), fitting))
