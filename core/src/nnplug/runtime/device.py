"""Choose the device, its precision and memory order, and report its free memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from nnplug.errors import NnplugError
from nnplug.remedies import Action

NAMES = ("auto", "cpu", "cuda", "mps")
_BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def choose_device(name: str) -> torch.device:
    """The device that `--device` names; "auto" takes the first of cuda, mps and cpu that is there.

    Args:
        name: one of `NAMES`, or "cuda:1" for one GPU of several.

    Raises:
        NnplugError: no device has that name, or this machine or this PyTorch does not have it.
    """
    kind, numbered, number = name.partition(":")
    if kind not in NAMES or (numbered and not (kind == "cuda" and number.isdigit())):
        raise NnplugError(f"no device is called {name!r}. Use one of {', '.join(NAMES)}.")
    present = [n for n, there in (("cuda", _has_cuda()), ("mps", _has_mps()), ("cpu", True)) if there]
    if name == "auto":
        return torch.device(present[0])
    if kind not in present:
        raise NnplugError(
            f"device {name!r} is not here: PyTorch {torch.__version__} sees {', '.join(present)}",
            Action.USE_ANY_DEVICE(),
        )
    if numbered and int(number) >= (count := torch.cuda.device_count()):
        raise NnplugError(
            f"device {name!r} is not here: PyTorch sees {count} GPUs, counted from 0. Use another number."
        )
    return torch.device(name)


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The half precision in which `device` trains faster than in float32, None where it does not.

    float16 on CUDA, as nnU-Net does; bfloat16 on a CPU with instructions for it (others emulate it, slowly);
    None on MPS. Prediction on a CPU stays in float32 whatever this says.
    """
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and _cpu_computes_bf16() else None


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """A context in which convolutions run in `dtype`; one that changes nothing where it is None."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def memory_format(device: torch.device, dimensions: int) -> torch.memory_format:
    """The order of a network's weights in memory that is faster on `device`, for 2 or 3 spatial axes.

    Channels last on CUDA, whose half-precision convolutions want it; contiguous elsewhere.
    """
    if device.type != "cuda":
        return torch.contiguous_format
    return torch.channels_last if dimensions == 2 else torch.channels_last_3d


def free_memory(device: torch.device) -> int | None:
    """Bytes that an allocation on `device` may still take, None where PyTorch cannot say (CPU, MPS)."""
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else None


def _has_cuda() -> bool:
    return torch.cuda.is_available()


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _cpu_computes_bf16() -> bool:
    """Ask PyTorch about the CPU; releases that cannot say count as no."""
    ask: Callable[[], Mapping[str, Any]] | None = getattr(torch.cpu, "get_capabilities", None)
    capabilities = ask() if ask is not None else {}
    return any(bool(capabilities.get(name)) for name in _BF16_INSTRUCTIONS)
