"""A comparison of the fused norm with PyTorch's on the device at hand, before a network relies on it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from nnplug_cuda.fused_norm import gradients, normalised, statistics

_SHAPE = (2, 96, 12, 20, 24)  # two tiles of channels, the second not full, and several tiles of voxels
_SLOPE = 0.01
_EPSILON = 1e-5
_ROUNDING = {torch.float16: 5e-3, torch.bfloat16: 4e-2, torch.float32: 1e-4}
"""The largest accepted difference, as a share of the largest value."""


def check_norm(device: torch.device, dtype: torch.dtype) -> None:
    """Raise unless the kernels compute the norm and its gradients as PyTorch does in float32.

    Args:
        device: the device of the network.
        dtype: the type of its maps.

    Raises:
        RuntimeError: a result differs by more than rounding. Triton's own errors pass as they are.
    """
    draws = torch.Generator().manual_seed(0)
    x, gradient = (
        (torch.randn(_SHAPE, generator=draws) + mean).to(device, dtype).contiguous(memory_format=torch.channels_last_3d)
        for mean in (3, 0)
    )
    weight, bias = (torch.randn(_SHAPE[1], generator=draws).to(device) for _ in range(2))
    found = statistics(x, _EPSILON)
    results = normalised(x, found, weight, bias, _SLOPE), *gradients(gradient, x, found, weight, bias, _SLOPE)
    for name, result, right in zip(
        ("norm", "gradient of its input", "gradient of its scale", "gradient of its shift"),
        results,
        _by_pytorch(x, gradient, weight, bias),
        strict=True,
    ):
        error = float((result.float() - right).abs().max() / right.abs().max())
        if not error <= _ROUNDING[dtype]:
            raise RuntimeError(f"the {name} differs by {error:.1g} of the largest value from PyTorch's on {device}")


def _by_pytorch(x: Tensor, gradient: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
    with torch.inference_mode(mode=False), torch.enable_grad():
        inputs = [tensor.float().requires_grad_() for tensor in (x, weight, bias)]
        y = functional.instance_norm(inputs[0], weight=inputs[1], bias=inputs[2], eps=_EPSILON)
        y = functional.leaky_relu(y, _SLOPE)
        return y.detach(), *torch.autograd.grad(y, inputs, gradient.float())
