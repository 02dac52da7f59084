"""Compute the tables of a report: scores per class with intervals, volumes, and the order of cases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.errors import NnplugError
from nnplug.evaluation.class_statistics import voxel_size
from nnplug.io.geometry import Geometry
from nnplug.io.images import read_geometry, read_label
from nnplug.ops.bootstrap import mean_score, paired_interval
from nnplug_report.subject import Case, LabelClass, Result

Scores = npt.NDArray[np.float64]

_ML = 1000
"""mm3 in a millilitre."""


@dataclass(frozen=True)
class Extent:
    """The size of a class in one case, in the unit of its `Extents`; NaN for a reference that does not exist."""

    predicted: float
    reference: float


@dataclass(frozen=True)
class Extents:
    """The sizes of classes.

    Attributes:
        unit: "ml", "mm²" for 2D images with a spacing, or "pixels" for pictures.
        values: per case, in the order of the cases, one extent per class.
    """

    unit: str
    values: tuple[tuple[Extent, ...], ...]


@dataclass(frozen=True)
class Spread:
    """Numbers that summarise a list of values without NaN; all are NaN for an empty list."""

    count: int
    mean: float
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class ClassScore:
    """The scores of a class over the cases.

    Attributes:
        name: the name of the class.
        dice: the spread of its Dice; cases that have the class neither in prediction nor in reference have none.
        interval: the 95 % bootstrap interval of the mean Dice; NaN without a score.
        predicted: the spread of the sizes in predictions.
        reference: the spread of the sizes in references.
        absent: the number of cases whose reference lacks the class.
    """

    name: str
    dice: Spread
    interval: tuple[float, float]
    predicted: Spread
    reference: Spread
    absent: int


def dice_scores(result: Result) -> Scores:
    """Return the Dice (cases, classes) float64; NaN where a case has none."""
    rows = [[_number(case.scores.get(one.key, {}).get("Dice")) for one in result.classes] for case in result.cases]
    return np.array(rows, np.float64).reshape(len(result.cases), len(result.classes))


def case_means(dice: Scores) -> Scores:
    """Return the mean Dice of each case over the classes that have one: (cases,) float64, NaN where none has."""
    return np.array([mean_score(row[np.newaxis]) for row in dice], np.float64)


def mean_interval(scores: Scores) -> tuple[float, float]:
    """Return the bootstrap interval of the mean of scores (cases, classes), over cases drawn with replacement.

    Cases without any score are left out.
    """
    scored = scores[~np.isnan(scores).all(axis=1)]
    return paired_interval(scored, np.zeros_like(scored))


def class_scores(result: Result, dice: Scores, extents: Extents) -> tuple[ClassScore, ...]:
    """Return the scores of each class.

    Args:
        result: the predictions.
        dice: (cases, classes), as from `dice_scores`.
        extents: as from `measure_extents`.
    """
    return tuple(
        ClassScore(
            name=one.name,
            dice=spread(dice[:, index]),
            interval=mean_interval(dice[:, [index]]),
            predicted=spread([row[index].predicted for row in extents.values]),
            reference=spread([row[index].reference for row in extents.values]),
            absent=sum(row[index].reference == 0 for row in extents.values),
        )
        for index, one in enumerate(result.classes)
    )


def spread(values: Sequence[float] | Scores) -> Spread:
    """Return the spread of values; NaN is left out."""
    known = np.array(values, np.float64)
    known = known[~np.isnan(known)]
    if not known.size:
        return Spread(0, math.nan, math.nan, math.nan, math.nan)
    return Spread(known.size, float(known.mean()), float(np.median(known)), float(known.min()), float(known.max()))


def measure_extents(result: Result) -> Extents:
    """Return the sizes of all classes in all cases: from the counts of the summary, or else from the label maps.

    Raises:
        InvalidFile: a label map cannot be read.
    """
    units, rows = [], []
    for case in result.cases:
        geometry, counts = _counts(case, result)
        unit, size = _voxel(geometry)
        units.append(unit)
        rows.append(tuple(Extent(predicted * size, reference * size) for predicted, reference in counts))
    return Extents(units[0] if units else "ml", tuple(rows))


def order_of(means: Scores) -> tuple[int, ...]:
    """Return the indices of cases from the lowest mean Dice to the highest; cases without a score are last."""
    return tuple(np.argsort(np.where(np.isnan(means), np.inf, means), kind="stable").tolist())


def landmarks(means: Scores) -> dict[int, str]:
    """Return the index of the worst, the median and the best case -> its name, without repeating a case."""
    order = [index for index in order_of(means) if not np.isnan(means[index])]
    if not order:
        return {}
    named = {order[0]: "worst", order[-1]: "best", order[len(order) // 2]: "median"}
    named = {order[0]: "only scored case"} if len(order) == 1 else {**named, order[0]: "worst", order[-1]: "best"}
    return {index: named[index] for index in order if index in named}


def _counts(case: Case, result: Result) -> tuple[Geometry, list[tuple[float, float]]]:
    """Return the geometry of a prediction, and its voxels of each class with those of the reference."""
    known = [case.scores.get(one.key, {}) for one in result.classes]
    if known and all("n_pred" in figures and "n_ref" in figures for figures in known):
        geometry = _geometry(case, result)
        return geometry, [(_number(figures["n_pred"]), _number(figures["n_ref"])) for figures in known]
    label = read_label(case.prediction, result.readers)
    voxels = np.bincount(label.array.ravel(), minlength=1)
    return label.geometry, [(_sum_of(voxels, one), math.nan) for one in result.classes]


def _geometry(case: Case, result: Result) -> Geometry:
    """Return the geometry of the prediction, or of the reference if the prediction was removed."""
    try:
        return read_geometry(case.prediction, result.readers)
    except NnplugError:
        if case.reference is None:
            raise
        return read_geometry(case.reference, result.readers)


def _sum_of(voxels: npt.NDArray[Any], one: LabelClass) -> float:
    return float(sum(voxels[value] for value in one.values if value < len(voxels)))


def _voxel(geometry: Geometry) -> tuple[str, float]:
    """Return the unit of sizes and the size of a voxel in it."""
    unit, size = voxel_size(geometry)
    return _UNITS[unit], size / _ML if unit == "mm3" else size


_UNITS = {"mm3": "ml", "mm2": "mm²", "pixels": "pixels"}


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
