"""Memory-mapped arrays: they lie in a file on disk, which is removed with the last view of the array."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
import torch

from nnplug.runtime.files import explained

_NO_MAPS = (errno.EACCES, errno.EPERM, errno.ENODEV, errno.ENOSYS, errno.EOPNOTSUPP)
_NO_ALLOCATION = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


def memmapped(shape: Sequence[int], folder: Path) -> torch.Tensor:
    """Return a float32 tensor in a nameless file. The system keeps as much of it in RAM as there is room for.

    Where the system or the file system maps no files, it is in RAM.

    Args:
        shape: the shape of the tensor.
        folder: a folder on the disk of the file. No other process sees the file, and nothing is left after a kill.

    Raises:
        NnplugError: the folder cannot be written, or its disk has too little space.
    """
    with explained(folder), tempfile.TemporaryFile(dir=folder) as file:
        try:
            _allocate(file.fileno(), prod(shape) * np.dtype(np.float32).itemsize)
            return torch.from_numpy(np.memmap(file, np.float32, "w+", shape=tuple(shape)))
        except OSError as error:
            if error.errno not in _NO_MAPS:
                raise
            return torch.zeros(tuple(shape))


def _allocate(file: int, size: int) -> None:
    """Take the space on the disk, where the system can: a full disk would kill the process that fills the array."""
    if size > 0 and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno not in _NO_ALLOCATION:
                raise
