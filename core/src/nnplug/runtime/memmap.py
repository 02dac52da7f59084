"""Large arrays that wait on disk: written once, mapped, and gone with the last view of them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from nnplug.runtime.files import explained


def memmapped(shape: Sequence[int], folder: Path) -> torch.Tensor:
    """A float32 tensor whose memory is a nameless file: the system keeps in RAM of it what there is room for.

    Args:
        shape: of the tensor.
        folder: on whose disk the file lies; no other process sees it, and nothing is left after a kill.

    Raises:
        NnplugError: the folder cannot be written.
    """
    with explained(folder), tempfile.TemporaryFile(dir=folder) as file:
        return torch.from_numpy(np.memmap(file, np.float32, "w+", shape=tuple(shape)))
