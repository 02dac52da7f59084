"""Write tensors to files; a disk that is full or fails is an `OSError`, as for other files.

safetensors and PyTorch raise errors of their own, which name no file and look like a fault of the program.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

_NUMBER = re.compile(r"\(os error (\d+)\)")


def save_tensors(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors as safetensors.

    Raises:
        OSError: the disk is full or fails.
    """
    try:
        save_file(dict(tensors), path)
    except SafetensorError as error:
        if (found := _NUMBER.search(str(error))) is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number)) from error


def save_checkpoint(data: Mapping[str, Any], path: Path) -> None:
    """Write nested dictionaries of tensors and numbers by `torch.save`.

    Raises:
        OSError: the disk is full or fails.
    """
    with path.open("wb", buffering=0) as file:
        sink = _Sink(file.fileno())
        try:
            torch.save(dict(data), sink)
        except RuntimeError as error:
            raise sink.failure or error from error


class _Sink:
    """A file for `torch.save` that keeps the error of a write, because PyTorch raises another one in its place."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all bytes; return their number."""
        rest = memoryview(data).cast("B")
        try:
            while len(rest):
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self.failure = self.failure or error
            raise
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Do nothing: no bytes are held back."""
