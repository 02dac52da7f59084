"""The postprocessor `brats-enhancing`: a region that is too small gets another label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf, prod
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from nnplug.contracts import Better, LabelledCase, Postprocessor, RankedFigure
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile
from nnplug.evaluation.measuring import signed_figure
from nnplug.evaluation.pairs import read_pair
from nnplug.ops.ranking import rank
from nnplug_brats.metrics import BratsMetric, dice, hd95, region_masks

if TYPE_CHECKING:
    import numpy.typing as npt

    from nnplug.arrays import LabelArray
    from nnplug.runtime.executor import Executor
    from nnplug.runtime.progress import Progress

    Floats = npt.NDArray[np.float64]

Unit = Literal["voxels", "mm3"]
KEYS = {"label", "becomes", "below", "unit"}


@dataclass(frozen=True, kw_only=True)
class SmallRegion(Postprocessor):
    """A replacement of a label by another in cases that have less of it than a threshold.

    The rule is `{"label": 3, "becomes": 2, "below": 200, "unit": "voxels"}`. In BraTS, enhancing tumour becomes
    necrosis: a false enhancing tumour costs the whole score of a case, and the tumour core does not change. The
    threshold is the smallest of the best ones on the validation cases, scored by the challenge's rules for empty
    regions.

    Attributes:
        label: the label to replace; None for the last in `regions_class_order`, the innermost region.
        becomes: the new label; None for the label before it in this order.
        unit: unit of the thresholds.
        below: the threshold, instead of a fitted one; the BraTS 2020 entry submitted 200.
        thresholds: first, last and step of the thresholds to try.
        criterion: "dice" for the mean Dice over regions and cases, "rank" for the mean rank of each threshold over
            cases, regions, Dice and HD95, as the challenge ranks submissions.
    """

    label: int | None = None
    becomes: int | None = None
    unit: Unit = "voxels"
    below: float | None = None
    thresholds: tuple[float, float, float] = (0, 750, 10)
    criterion: Literal["dice", "rank"] = "dice"

    def __post_init__(self) -> None:
        """Raise `ValueError` for a threshold out of range, and for a label that becomes itself."""
        first, last, step = self.thresholds
        if not (0 <= first <= last and step > 0):
            raise ValueError(f"thresholds is {list(self.thresholds)}; expected first, last and step, rising from 0")
        if self.below is not None and self.below < 0:
            raise ValueError(f"below is {self.below}; expected at least 0")
        if self.label is not None and self.label == self.becomes:
            raise ValueError(f"label and becomes are both {self.label}; nothing would change")

    def fit(
        self, cases: Sequence[LabelledCase], labels: Labels, *, executor: Executor, progress: Progress
    ) -> Mapping[str, Any]:
        """Choose the threshold; with `below`, no case is read. See `nnplug.contracts.Postprocessor`."""
        return self._fit(None, cases, labels, executor, progress)

    def fit_by(
        self,
        figure: RankedFigure,
        cases: Sequence[LabelledCase],
        labels: Labels,
        *,
        executor: Executor,
        progress: Progress,
    ) -> Mapping[str, Any]:
        """Choose the threshold with the best mean of a figure, whatever `criterion` says.

        Means over cases leave out NaN, as in summaries.
        """
        return self._fit(figure, cases, labels, executor, progress)

    def _fit(
        self,
        figure: RankedFigure | None,
        cases: Sequence[LabelledCase],
        labels: Labels,
        executor: Executor,
        progress: Progress,
    ) -> Mapping[str, Any]:
        label, becomes = self._pair(labels)
        rule = {"label": label, "becomes": becomes, "unit": self.unit}
        if self.below is not None:
            return {**rule, "below": self.below}
        attempt = partial(self._try, labels=labels, label=label, becomes=becomes, figure=figure)
        trials = []
        with progress.task("fit postprocessing", len(cases)) as advance:
            results = executor.map(attempt, cases, stage="postprocess", name=attrgetter("name"))
            for case, trial in zip(cases, results, strict=True):
                trials.append(trial)
                advance(case.name)
        return {**rule, "below": self._best(trials, figure)}

    def apply(
        self, label_map: LabelArray, rule: Mapping[str, Any], *, spacing: Sequence[float], labels: Labels
    ) -> LabelArray:
        """Apply the rule to a label map (z, y, x); return a new array.

        Raises:
            InvalidFile: the rule is not one of this postprocessor.
        """
        if not _is_rule(rule, labels):
            raise InvalidFile(f"rule {dict(rule)!r} is no rule of brats-enhancing; fit it again")
        if volume(label_map, rule["label"], rule["unit"], spacing) >= rule["below"]:
            return label_map.copy()
        return relabelled(label_map, rule["label"], rule["becomes"])

    def _pair(self, labels: Labels) -> tuple[int, int]:
        order = list(labels.regions_class_order or labels.foreground_values)
        label = order[-1] if self.label is None else self.label
        outer = [0, *(value for value in order if value != label)]
        return label, outer[-1] if self.becomes is None else self.becomes

    def _try(self, case: LabelledCase, labels: Labels, label: int, becomes: int, figure: RankedFigure | None) -> Trial:
        predicted, expected = read_pair(case.prediction, case.reference, case.readers)
        spacing = predicted.geometry.spacing
        size = volume(predicted.array, label, self.unit, spacing)
        maps = [predicted.array, relabelled(predicted.array, label, becomes)] if size else [predicted.array]
        figures = [
            self._figures(expected.array, label_map, labels, spacing)
            if figure is None
            else list(signed_figure(figure, expected.array, label_map, labels, spacing=spacing).values())
            for label_map in maps
        ]
        return Trial(size, figures[0], figures[-1])

    def _figures(
        self, reference: LabelArray, prediction: LabelArray, labels: Labels, spacing: Sequence[float]
    ) -> list[float]:
        """Return the scores of all regions; distances only if thresholds are ranked by them."""
        figures = []
        for masks in region_masks(reference, prediction, labels):
            figures.append(dice(*masks))
            if "HD95" in self._compared:
                figures.append(hd95(*masks, spacing))
        return figures

    @property
    def _compared(self) -> Mapping[str, Better]:
        return BratsMetric.ranked if self.criterion == "rank" else {"Dice": "higher"}

    def _best(self, trials: Sequence[Trial], figure: RankedFigure | None) -> float:
        first, last, step = self.thresholds
        candidates = np.arange(first, last + step / 2, step)
        scores = np.array([[trial.figures(below) for trial in trials] for below in candidates])
        if figure is not None:
            return float(candidates[int(np.argmax([_mean(one) for one in scores]))])
        if self.criterion == "dice":
            return float(candidates[np.argmax(scores.mean((1, 2)).round(12))])
        return float(candidates[np.argmin(self._mean_ranks(scores).round(12))])

    def _mean_ranks(self, scores: Floats) -> Floats:
        """Return the mean rank of each threshold, (thresholds,), from scores (thresholds, cases, regions x scores)."""
        better = list(self._compared.values()) * (scores.shape[2] // len(self._compared))
        ranks = [rank(scores[:, :, i], higher_is_better=b == "higher") for i, b in enumerate(better)]
        means: Floats = np.mean(ranks, axis=(0, 2))
        return means


def _mean(figures: Floats) -> float:
    """Return the mean over classes of the means over cases (cases, classes) without NaN; -inf if there is none."""
    classes = [column[~np.isnan(column)].mean() for column in figures.T if not np.isnan(column).all()]
    return round(float(np.mean(classes)), 12) if classes else -inf


@dataclass(frozen=True)
class Trial:
    """The volume of the label in one case, and the scores with the label kept and replaced."""

    volume: float
    kept: list[float]
    replaced: list[float]

    def figures(self, below: float) -> list[float]:
        """Return the scores at this threshold."""
        return self.replaced if self.volume < below else self.kept


def _is_rule(rule: Mapping[str, Any], labels: Labels) -> bool:
    """Return whether a rule has the keys of `SmallRegion` with values of their types, and labels that there are."""
    if set(rule) != KEYS or rule["unit"] not in get_args(Unit) or not isinstance(rule["below"], int | float):
        return False
    return all(isinstance(rule[key], int) and rule[key] in (0, *labels.all_values) for key in ("label", "becomes"))


def volume(label_map: LabelArray, label: int, unit: Unit, spacing: Sequence[float]) -> float:
    """Return the volume of a label, in voxels or mm3; `spacing` is (z, y, x) in mm."""
    count = int(np.count_nonzero(label_map == label))
    return count * prod(spacing) if unit == "mm3" else count


def relabelled(label_map: LabelArray, label: int, becomes: int) -> LabelArray:
    """Return a copy of a label map (z, y, x) in which one label has become another."""
    result = label_map.copy()
    result[label_map == label] = becomes
    return result
