"""Recognise that a GPU has too little memory, without importing torch."""

from __future__ import annotations

_WORDS = ("out of memory", "STATUS_ALLOC_FAILED")


def lacks_memory(error: BaseException) -> bool:
    """Return whether an error says that a GPU has too little memory.

    `torch.OutOfMemoryError` is one of several: a CUDA context, a stream, page-locked memory, and the libraries cuBLAS
    and cuDNN fail with another `RuntimeError`.
    """
    if type(error).__name__ == "OutOfMemoryError":  # by name: listings of components must not import torch
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)
