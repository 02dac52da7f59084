"""The accelerator for CUDA GPUs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

from nnplug.contracts import Accelerator, Workload

if TYPE_CHECKING:
    from torch import nn

_TENSOR_CORES = (7, 0)  # the least compute capability with units for products in half precision


class CudaAccelerator(Accelerator):
    """Layers and an order of memory that suit the units of a CUDA GPU for products in half precision."""

    def accelerate(self, network: nn.Module, workload: Workload) -> nn.Module | None:
        """Return `network` with faster layers; see `nnplug.contracts.Accelerator`.

        The weights of convolutions move to channels-last order. Gradients of gradients are not available afterwards.
        The result is None if the device is no CUDA GPU with tensor cores, convolutions do not run in half precision,
        Triton is not installed (PyTorch brings it on Linux), or the network has no instance norm that can be replaced.

        Raises:
            RuntimeError: the kernels do not give PyTorch's results on this device; the network is unchanged.
        """
        if workload.device.type != "cuda" or workload.autocast not in (torch.float16, torch.bfloat16):
            return None
        if torch.cuda.get_device_capability(workload.device) < _TENSOR_CORES or find_spec("triton") is None:
            return None
        from nnplug_cuda.replacement import with_fused_norms
        from nnplug_cuda.self_check import check_norm

        check_norm(workload.device, workload.autocast)
        return with_fused_norms(network)
