"""Choose the device, its precision and memory order, and read and limit its memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from nnplug.errors import NnplugError
from nnplug.remedies import Action

NAMES = ("auto", "cpu", "cuda", "mps")
GIGABYTE = 1 << 30
"""Bytes of a GB of the user's limit of GPU memory, as GPUs and PyTorch count them."""

_BF16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")


def choose_device(name: str) -> torch.device:
    """Return the device that the user names; "auto" is the first of cuda, mps and cpu that PyTorch finds.

    Args:
        name: one of `NAMES`, or a single GPU such as "cuda:1", counted from 0.

    Raises:
        NnplugError: no device has this name, or PyTorch does not find it on this machine.
    """
    kind, numbered, number = name.partition(":")
    if kind not in NAMES or (numbered and not (kind == "cuda" and number.isdecimal())):
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


def prediction_dtype(device: torch.device, trained: str | None) -> torch.dtype | None:
    """Return the half precision in which a network predicts on `device`, or None for float32.

    On CUDA it is the precision of the training: a network that was trained in float32 or bfloat16 may overflow float16.
    Elsewhere it is float32.

    Args:
        device: the device of the network.
        trained: the precision of the training, "float32", "bfloat16" or "float16"; None if no record has it: float16,
            as in nnU-Net.
    """
    if device.type != "cuda" or trained == "float32":
        return None
    if trained == "bfloat16":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else None
    return torch.float16


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

    They are the free memory of the GPU and what PyTorch holds in reserve from tensors that are gone, within the budget
    of `memory_budget`.
    """
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    unused = int(free) + int(torch.cuda.memory_reserved(device)) - int(allocated)
    return max(0, min(unused, int(_allowed_share(device) * total) - int(allocated)))


def memory_in_words(device: torch.device) -> str:
    """Return the free memory for the end of a message, "; 0.3 GB are free", or nothing if PyTorch does not say."""
    free = free_memory(device)
    return "" if free is None else f"; {free / GIGABYTE:.1f} GB are free"


@contextmanager
def memory_budget(device: torch.device, gigabytes: float | None) -> Iterator[None]:
    """Limit what PyTorch allocates on a GPU while the block runs, so that several programs share the GPU.

    More raises `torch.OutOfMemoryError`. The limit is that of the process; the one before comes back after the block.

    Args:
        device: the GPU; on other devices nothing is limited.
        gigabytes: of 2^30 bytes; None for no limit.
    """
    if device.type != "cuda" or gigabytes is None:
        yield
        return
    before, total, number = _allowed_share(device), int(torch.cuda.mem_get_info(device)[1]), _number(device)
    torch.cuda.set_per_process_memory_fraction(min(1.0, gigabytes * GIGABYTE / total), number)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(before, number)


def peak_memory(device: torch.device, work: Callable[[], object]) -> int:
    """Return the bytes by which the memory of a GPU grows at most while `work` runs, 0 on other devices.

    PyTorch's peak of allocated memory is counted anew from here on.
    """
    if device.type != "cuda":
        work()
        return 0
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return int(torch.cuda.max_memory_allocated(device)) - int(before)


def release_memory(device: torch.device) -> None:
    """Give the memory of tensors that are gone back to the GPU, after PyTorch found too little of it."""
    gc.collect()  # the frames of an error hold tensors
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _allowed_share(device: torch.device) -> float:
    """Return the share of a GPU's memory that this process may allocate; older releases of PyTorch do not say: 1."""
    read: Callable[[int], float] | None = getattr(torch.cuda, "get_per_process_memory_fraction", None)
    return 1.0 if read is None else read(_number(device))


def _number(device: torch.device) -> int:
    """Return the number of a GPU, for functions of PyTorch that take no "cuda" without one."""
    return torch.cuda.current_device() if device.index is None else device.index


def _has_cuda() -> bool:
    return torch.cuda.is_available()


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _cpu_computes_bf16() -> bool:
    """Return whether the CPU has bfloat16 instructions, as PyTorch reports it; older releases do not: False."""
    read: Callable[[], Mapping[str, Any]] | None = getattr(torch.cpu, "get_capabilities", None)
    capabilities = read() if read is not None else {}
    return any(bool(capabilities.get(name)) for name in _BF16_INSTRUCTIONS)
