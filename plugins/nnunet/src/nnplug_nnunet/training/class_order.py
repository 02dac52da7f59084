"""Find axes along which classes lie in one order in nearly every case, such as anterior before posterior.

A mirrored patch shows the other order, so that a network cannot learn what place says about a class.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr

from nnplug.errors import Line
from nnplug.remedies import Action
from nnplug_nnunet.training.patch_centres import stored_voxels

if TYPE_CHECKING:
    from nnplug.contracts import TrainingTask
    from nnplug.workspace.case_store import StoredCase
    from nnplug_nnunet.training.options import PatchOptions

AGREE = 0.95
"""The share of the cases that have an order."""
CHANCE = 0.001
"""The probability that an order is found where there is none, for all axes and pairs of classes together."""
LEAST_CASES = 5
"""The least number of cases with both classes."""
_LEAST_SPREAD = 1e-6  # voxels
_ABSENT = (np.nan,) * 3
_VOXELS = 256  # of a class, which are stored in random order: their mean is near that of all

Centre = npt.NDArray[np.float64]
"""(z, y, x) in voxels."""


@dataclass(frozen=True)
class Order:
    """An axis along which one class lies before another.

    Attributes:
        axis: the spatial axis of a patch, counted from the last one, -1.
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

    def __str__(self) -> str:
        """Return the order in words."""
        where = f"along axis {self.axis} in {self.agree} of {self.cases} cases"
        return f"{self.before!r} lies before {self.behind!r} {where}"


def mirrored_orders(options: PatchOptions, task: TrainingTask, names: Iterable[str]) -> list[Order]:
    """Return the orders along axes that are mirrored, with the names of the classes; regions overlap, and have none.

    Args:
        options: of mirroring.
        task: the training.
        names: the cases to look at.

    Raises:
        NnplugError: a case is stored without patch centres.
    """
    dimensions = task.configuration.dimensions
    mirrored = {axis - dimensions for axis in options.mirror_axes(dimensions)}
    if not mirrored or task.labels.has_regions:
        return []
    called = dict(zip(task.labels.keys, task.labels.foreground_names, strict=True))
    found = [{called[key]: centre for key, centre in centres(task.cases[name]).items()} for name in names]
    return [order for order in orders(found, dimensions) if order.axis in mirrored]


def notice_mirrored_orders(options: PatchOptions, task: TrainingTask) -> None:
    """Tell of axes that are mirrored although classes lie in one order along them, as nnU-Net does by default."""
    found = mirrored_orders(options, task, sorted({*task.training, *task.validation}))
    if not found:
        return
    told = "; ".join(map(str, found))
    text = f"{task.run.path}: patches are mirrored, so that the network cannot learn where classes lie: {told}"
    axes = sorted({*options.unmirrored_axes, *(order.axis for order in found)})
    remedy = Action.MIRROR_LESS(assignment=f"trainer.unmirrored_axes={axes}".replace(" ", ""))
    task.progress.notice(Line(text, remedy))


def centres(case: StoredCase) -> dict[str, Centre]:
    """Return the centre of each class or region that a stored case has, by its key in `Labels.keys`.

    Raises:
        NnplugError: the case is stored without patch centres.
    """
    return {key: voxels[:_VOXELS].mean(axis=0) for key, voxels in stored_voxels(case)[0].items() if len(voxels)}


def orders(found: Sequence[Mapping[str, Centre]], dimensions: int) -> list[Order]:
    """Return, for each axis with an order, the pair of classes in it that most cases have.

    Args:
        found: class -> centre, for each case.
        dimensions: 3, or 2 for the last two axes alone.
    """
    best: dict[int, Order] = {}
    for order in _candidates(found, dimensions):
        if order.axis not in best or order.cases > best[order.axis].cases:
            best[order.axis] = order
    return [best[axis] for axis in sorted(best)]


def _candidates(found: Sequence[Mapping[str, Centre]], dimensions: int) -> Iterator[Order]:
    """Yield every order, by pair of classes and axis."""
    names = sorted({name for case in found for name in case})
    places = np.array([[case.get(name, _ABSENT) for name in names] for case in found]).reshape(
        len(found), len(names), 3
    )
    tests = dimensions * len(names) * (len(names) - 1) // 2
    for first, second in combinations(range(len(names)), 2):
        steps = places[:, second] - places[:, first]
        steps = steps[~np.isnan(steps[:, 0])]
        if len(steps) < LEAST_CASES:
            continue
        rising, falling = (steps > 0).sum(0), (steps < 0).sum(0)
        agree = np.maximum(rising, falling)
        is_order = (agree >= AGREE * len(steps)) & (_chances(steps) * tests < CHANCE)
        for axis in range(-dimensions, 0):
            if is_order[axis]:
                pair = (first, second) if rising[axis] >= falling[axis] else (second, first)
                yield Order(axis, names[pair[0]], names[pair[1]], int(agree[axis]), len(steps))


def _chances(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return, for each axis, the probability of a mean step so far from 0 if the true one is 0: Student's t-test."""
    spread = np.maximum(steps.std(axis=0, ddof=1) / np.sqrt(len(steps)), _LEAST_SPREAD)
    chances: npt.NDArray[np.float64] = 2 * stdtr(len(steps) - 1, -np.abs(steps.mean(axis=0)) / spread)
    return chances
