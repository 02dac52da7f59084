"""The weights of a model's folds, read when they are needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from nnplug.errors import InvalidFile

RESIDENT_BYTES = 1 << 30
"""Weights of several folds up to this size are kept in memory; larger ones are read again for each image."""


class WeightFiles:
    """State dicts by file, kept in memory where there are several and all of them are small.

    Those of one fold are in its network, and need no second place.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        """Look at the sizes, and read nothing yet."""
        self._keep = len(files) > 1 and sum(file.stat().st_size for file in files) <= RESIDENT_BYTES
        self._kept: dict[Path, Mapping[str, torch.Tensor]] = {}

    def __getitem__(self, file: Path) -> Mapping[str, torch.Tensor]:
        """The state dict of a file.

        Raises:
            InvalidFile: it is missing or damaged.
        """
        if file in self._kept:
            return self._kept[file]
        try:
            state = load_file(file)
        except (OSError, SafetensorError) as error:
            raise InvalidFile(f"{file}: cannot be read as safetensors ({error}); copy or export it again") from error
        if self._keep:
            self._kept[file] = state
        return state
