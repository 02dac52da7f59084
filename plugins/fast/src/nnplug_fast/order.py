"""Find axes along which classes lie in one order in nearly every case, such as anterior before posterior.

A mirrored patch shows the other order, so that a network cannot learn what place says about a class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from nnplug.workspace.case_store import CaseStore
from nnplug_nnunet.training.patch_centres import stored_voxels

AGREE = 0.95
"""The share of the cases that have an order."""
CHANCE = 0.001
"""The probability that so many cases agree by chance, for all axes and pairs of classes together."""
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
    looks = len(pairs) * dimensions
    for first, second in pairs:
        steps = [case[second] - case[first] for case in found if first in case and second in case]
        for axis in range(-dimensions, 0) if steps else ():
            rising, falling = (sum(sign * step[axis] > 0 for step in steps) for sign in (1, -1))
            before, behind = (first, second) if rising >= falling else (second, first)
            agree = max(rising, falling)
            if agree >= AGREE * len(steps) and looks * _chance(agree, len(steps)) < CHANCE:
                yield Order(axis, before, behind, agree, len(steps))


def _chance(agree: int, cases: int) -> float:
    """Return the probability that at least so many of some cases agree, in either order, if each is as likely."""
    ways = sum(comb(cases, count) for count in range(agree, cases + 1))
    return float(2 * ways / 2**cases)
