"""Random numbers that depend on what is drawn, never on who draws it or when."""

from __future__ import annotations

import numpy as np


def generator(seed: int, *place: int) -> np.random.Generator:
    """A generator for one place of a run, such as (epoch, iteration, sample).

    The same seed and place give the same numbers whatever the number of workers and after any resume.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *place])))
