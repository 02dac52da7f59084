"""Random numbers that depend only on the seed and on the place of the draw, not on the process or the time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def generator(seed: int, *place: int) -> np.random.Generator:
    """Return a generator for one place of a run, such as (epoch, iteration, index in the batch).

    The same seed and place give the same numbers for any number of workers and after any resume.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *place])))


def keep_random_state(device: torch.device) -> AbstractContextManager[None]:
    """Return a context that restores PyTorch's random state at its end, for the CPU and for a CUDA `device`."""
    import torch

    return torch.random.fork_rng([device] if device.type == "cuda" else [])
