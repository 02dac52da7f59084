"""Find axes along which classes lie in one order in nearly every case, such as anterior before posterior.

A mirrored patch shows the other order, so that a network cannot learn what place says about a class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from nnplug.workspace.case_store import CaseStore
from nnplug_nnunet.training.patch_centres import stored_voxels

AGREE = 0.95
"""The share of the cases that have an order."""
CHANCE = 0.001
"""The probability that an order is found where there is none, for all axes and pairs of classes together."""
LEAST_CASES = 5
"""The least number of cases with both classes."""
_LEAST_SPREAD = 1e-6  # voxels
_VOXELS = 256  # of a class, which are stored in random order: their mean is near that of all

Centre = npt.NDArray[np.float64]
"""(z, y, x) in voxels."""


@dataclass(frozen=True)
class Order:
    """An axis along which one class lies before another.

    Attributes:
        axis: the spatial axis, counted from the last one, -1.
        before: the class with the smaller position.
        behind: the other one.
        agree: the number of cases in this order.
        cases: the number of cases that have both classes.
    """

    axis: int
    before: str
    behind: str
    agree: int
    cases: int


def centres(cases: CaseStore) -> list[dict[str, Centre]]:
    """Return the centre of each class or region that a case has, for every stored case.

    Raises:
        NnplugError: a case is stored without patch centres.
    """
    return [
        {key: voxels[:_VOXELS].mean(axis=0) for key, voxels in stored_voxels(cases[name])[0].items() if len(voxels)}
        for name in cases
    ]


def orders(found: Sequence[Mapping[str, Centre]], dimensions: int) -> list[Order]:
    """Return, for each axis with an order, the pair of classes in it that most cases have.

    Args:
        found: class -> centre, for each case.
        dimensions: 3, or 2 for the last two axes alone.
    """
    pairs = list(combinations(sorted({key for case in found for key in case}), 2))
    best: dict[int, Order] = {}
    for order in _candidates(found, pairs, dimensions):
        if order.axis not in best or order.cases > best[order.axis].cases:
            best[order.axis] = order
    return [best[axis] for axis in sorted(best)]


def _candidates(
    found: Sequence[Mapping[str, Centre]], pairs: Sequence[tuple[str, str]], dimensions: int
) -> Iterator[Order]:
    for first, second in pairs:
        steps = np.array([case[second] - case[first] for case in found if first in case and second in case])
        if len(steps) < LEAST_CASES:
            continue
        chances = _chances(steps) * len(pairs) * dimensions
        for axis in range(-dimensions, 0):
            rising, falling = int((steps[:, axis] > 0).sum()), int((steps[:, axis] < 0).sum())
            before, behind = (first, second) if rising >= falling else (second, first)
            if max(rising, falling) >= AGREE * len(steps) and chances[axis] < CHANCE:
                yield Order(axis, before, behind, max(rising, falling), len(steps))


def _chances(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return, for each axis, the probability of a mean step so far from 0 if the true one is 0: Student's t-test."""
    spread = np.maximum(steps.std(axis=0, ddof=1) / np.sqrt(len(steps)), _LEAST_SPREAD)
    chances: npt.NDArray[np.float64] = 2 * stdtr(len(steps) - 1, -np.abs(steps.mean(axis=0)) / spread)
    return chances
