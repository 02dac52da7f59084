"""Choose the device, its precision and memory order, and read its free memory."""

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
    """Return the device that `--device` names; "auto" is the first of cuda, mps and cpu that PyTorch finds.

    Args:
        name: one of `NAMES`, or a single GPU such as "cuda:1", counted from 0.

    Raises:
        NnplugError: no device has this name, or PyTorch does not find it on this machine.
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
    """Return the half precision in which `device` trains faster than in float32, or None if there is none.

    CUDA: float16, as in nnU-Net. CPU: bfloat16 if the CPU has instructions for it, else None (its emulation is slow).
    MPS: None. Prediction on a CPU always computes in float32.
    """
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if device.type == "cpu" and _cpu_computes_bf16() else None


def autocast(device: torch.device, dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    """Return a context in which convolutions run in `dtype`; None gives a context that changes nothing."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def memory_format(device: torch.device, dimensions: int, *, compiled: bool = False) -> torch.memory_format:
    """Return the memory order of a network's weights on `device`, for 2 or 3 spatial axes.

    Contiguous, as in nnU-Net. On CUDA a compiled network has its channels last, the order of half-precision
    convolutions. Layer by layer it has not: PyTorch's instance norm returns contiguous maps, so every block would copy
    its maps twice.
    """
    if device.type != "cuda" or not compiled:
        return torch.contiguous_format
    return torch.channels_last if dimensions == 2 else torch.channels_last_3d


def fixed_shapes(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context for many batches of one shape, in which cuDNN measures its algorithms and keeps the fastest.

    nnU-Net does so too. It changes nothing where the process asks for deterministic algorithms, or on other devices.
    """
    if device.type != "cuda" or torch.are_deterministic_algorithms_enabled():
        return nullcontext()
    now = torch.backends.cudnn
    return now.flags(enabled=now.enabled, benchmark=True, deterministic=now.deterministic, allow_tf32=now.allow_tf32)


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that PyTorch can still allocate on `device`, or None for CPU and MPS, where it does not say.

    They are the free memory of the GPU and what PyTorch holds in reserve from tensors that are gone.
    """
    if device.type != "cuda":
        return None
    reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + int(reserve)


def _has_cuda() -> bool:
    return torch.cuda.is_available()


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _cpu_computes_bf16() -> bool:
    """Return whether the CPU has bfloat16 instructions, as PyTorch reports it; older releases do not: False."""
    read: Callable[[], Mapping[str, Any]] | None = getattr(torch.cpu, "get_capabilities", None)
    capabilities = read() if read is not None else {}
    return any(bool(capabilities.get(name)) for name in _BF16_INSTRUCTIONS)
