"""Write tensors to files; a disk that is full or fails is an `OSError`, as for other files.

safetensors and PyTorch raise errors of their own, which name no file and look like a fault of the program.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

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
    with _Sink(path, "wb") as sink:
        try:
            torch.save(dict(data), sink)
        except RuntimeError as error:
            raise sink.failure or error from error


class _Sink(FileIO):
    """A file for `torch.save` that keeps the error of a write, because PyTorch raises another one in its place."""

    failure: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all bytes; return their number."""
        whole = memoryview(data).cast("B")
        rest = whole
        try:
            while len(rest):
                rest = rest[os.write(self.fileno(), rest) :]
        except OSError as error:
            self.failure = self.failure or error
            raise
        return whole.nbytes
