"""`torch.compile` where it pays: tried once before a training, which goes on without it where it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nnplug.runtime.device import autocast

Compile = Literal["auto", "always", "never"]
WORTH = 25_000
"""Iterations from which "auto" compiles on a GPU: the compiler takes about a minute. A guess: no GPU was at hand."""

Forward = Callable[[Tensor], Any]
"""(B, C, *patch) -> logits, or a list of them where the network is being trained."""


def is_wanted(choice: Compile, device: torch.device, iterations: int) -> bool:
    """Return whether compiling pays for that many iterations. On a CPU our own layers are faster."""
    return choice == "always" or (choice == "auto" and device.type == "cuda" and iterations >= WORTH)


def compiled(
    network: nn.Module, shape: tuple[int, ...], *, dtype: torch.dtype | None, notice: Callable[[str], None]
) -> Forward:
    """The network compiled, or as it is where that fails.

    Args:
        network: on its device; parameters and buffers keep their values.
        shape: of a batch, (B, C, *patch).
        dtype: what convolutions compute in, None for float32.
        notice: told why it is not compiled.
    """
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        fast: Forward = torch.compile(network)
        _try(fast, network, shape, dtype)
    except Exception as error:  # noqa: BLE001 - compilers fail in ways of their own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        notice(f"torch.compile does not work here ({reason}); the training goes on without it")
        return network
    finally:
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
        network.zero_grad(set_to_none=True)
    return fast


def _try(fast: Forward, network: nn.Module, shape: tuple[int, ...], dtype: torch.dtype | None) -> None:
    """A training step without optimiser, and a validation pass: what will be asked of it."""
    image = torch.zeros(shape, device=next(network.parameters()).device)
    network.train()
    with autocast(image.device, dtype):
        outputs = fast(image)
    scales = [outputs] if isinstance(outputs, Tensor) else outputs
    torch.autograd.backward([logits.float().mean() for logits in scales])
    network.eval()
    with torch.no_grad(), autocast(image.device, dtype):
        fast(image)
