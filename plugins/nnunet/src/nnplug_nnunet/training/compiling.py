"""`torch.compile` for long trainings: tried once before a training, which continues without it if it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nnplug.runtime.device import autocast

Compile = Literal["auto", "always", "never"]
WORTH = 25_000
"""Least number of iterations for "auto" to compile on a GPU; compiling takes about a minute. A guess, not measured."""

Forward = Callable[[Tensor], Any]
"""(B, C, *patch) -> logits; in training, a list of logits."""


def is_wanted(choice: Compile, device: torch.device, iterations: int) -> bool:
    """Return whether to compile for this number of iterations. On a CPU nnplug's own layers are faster."""
    return choice == "always" or (choice == "auto" and device.type == "cuda" and iterations >= WORTH)


def works(device: torch.device, notice: Callable[[str], None]) -> bool:
    """Return whether `torch.compile` can be used on a device; if not, `notice` is called with the reason.

    Most failures are of this kind: there is no Triton, or no C compiler. The memory order of the weights depends on it,
    so it must be known before a training has any.
    """
    try:
        torch.compile(_trial)(torch.zeros(1, device=device))
    except Exception as error:  # noqa: BLE001 - compilers raise many types
        notice(_refusal(error))
        return False
    return True


def _trial(numbers: Tensor) -> Tensor:
    return 2 * numbers + 1


def _refusal(error: Exception) -> str:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"torch.compile does not work here ({reason}); the training continues without it"


def compiled(
    network: nn.Module,
    shape: tuple[int, ...],
    *,
    dtype: torch.dtype | None,
    notice: Callable[[str], None],
    validated: tuple[int, ...] | None = None,
) -> Forward:
    """Return the compiled network, or the network itself if compiling fails.

    Args:
        network: on its device; parameters and buffers keep their values.
        shape: shape of a training batch, (B, C, *patch).
        dtype: the type of convolutions, None for float32.
        notice: called with the reason if the network is not compiled.
        validated: shape of a validation batch; None for that of the training.
    """
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        if validated in (None, shape):
            fast: Forward = torch.compile(network)
        else:  # by default the second shape is compiled for any shape, which is slower and rounds otherwise
            fast = torch.compile(network, dynamic=False)
        _try(fast, network, (shape, validated or shape), dtype)
    except Exception as error:  # noqa: BLE001 - compilers raise many types
        notice(_refusal(error))
        return network
    finally:
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
        network.zero_grad(set_to_none=True)
    return fast


def _try(
    fast: Forward, network: nn.Module, shapes: tuple[tuple[int, ...], tuple[int, ...]], dtype: torch.dtype | None
) -> None:
    """Run a training step without optimiser and a validation pass, so that a failure shows before the training."""
    image, validated = (torch.zeros(shape, device=next(network.parameters()).device) for shape in shapes)
    network.train()
    with autocast(image.device, dtype):
        outputs = fast(image)
    scales = [outputs] if isinstance(outputs, Tensor) else outputs
    torch.autograd.backward([logits.float().mean() for logits in scales])
    network.eval()
    with torch.no_grad(), autocast(image.device, dtype):
        fast(validated)


def forget_compiled() -> None:
    """Drop all that `torch.compile` has made in this process; it is made again where it is called again.

    PyTorch keeps eight versions of a network, and then computes further shapes without compiling.
    """
    torch.compiler.reset()
