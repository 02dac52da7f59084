"""Read the weights of a model's folds on demand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from nnplug.errors import InvalidFile
from nnplug.runtime.machine import memory

RESIDENT_SHARE = 1 / 4
"""The share of the free memory up to which the weights of several folds are kept; otherwise they are read again."""


class WeightFiles:
    """State dicts by file. They are kept in memory if there are several and their total size is small.

    The weights of a single fold are not kept, because its network has them.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        """Read the sizes of the files only."""
        size = sum(file.stat().st_size for file in files)
        self._keep = len(files) > 1 and size <= RESIDENT_SHARE * memory().free
        self._kept: dict[Path, Mapping[str, torch.Tensor]] = {}

    def __getitem__(self, file: Path) -> Mapping[str, torch.Tensor]:
        """Return the state dict in a file, and keep it if there is room.

        Raises:
            InvalidFile: the file is missing or damaged.
        """
        if file in self._kept:
            return self._kept[file]
        state = self.read(file)
        if self._keep:
            self._kept[file] = state
        return state

    def read(self, file: Path) -> Mapping[str, torch.Tensor]:
        """Return the state dict in a file; raises as for an item."""
        return read_weights(file)


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Return the state dict in a file of safetensors, on the CPU.

    Raises:
        InvalidFile: the file is missing or damaged.
    """
    try:
        return load_file(file)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise InvalidFile(f"{file}: cannot be read as safetensors ({error}); copy or export it again") from error
