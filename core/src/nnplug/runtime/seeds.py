"""Random numbers that depend on what is drawn, never on who draws it or when."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def generator(seed: int, *place: int) -> np.random.Generator:
    """A generator for one place of a run, such as (epoch, iteration, sample).

    The same seed and place give the same numbers whatever the number of workers and after any resume.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *place])))


def keep_random_state(device: torch.device) -> AbstractContextManager[None]:
    """Return a context that gives PyTorch its random state back at its end: of the CPU and of a CUDA `device`."""
    import torch

    return torch.random.fork_rng([device] if device.type == "cuda" else [])
