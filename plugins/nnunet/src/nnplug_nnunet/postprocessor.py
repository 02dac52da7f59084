"""`largest-component`: nnU-Net's postprocessing."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.contracts import LabelledCase, RankedFigure
from nnplug.dataset.labels import BACKGROUND, Labels
from nnplug.errors import InvalidFile
from nnplug.evaluation.measuring import signed_figure
from nnplug.evaluation.pairs import read_pair
from nnplug.evaluation.summary import Summary, summarise
from nnplug.ops.connected_components import largest_component
from nnplug.ops.metrics import confusion, overlap

if TYPE_CHECKING:
    import numpy.typing as npt

    from nnplug.runtime.executor import Executor
    from nnplug.runtime.progress import Progress

    Floats = npt.NDArray[np.float64]

Region = tuple[int, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class LargestComponent:
    """Keep the largest component of the foreground, and of single classes or regions, where that improves the score.

    The rule is `{"keep_largest": [[1, 2], [2]]}`. Each step takes the voxels with its label values and sets all of them
    to background except the largest component. On a tie all components of the largest size stay.
    """

    def fit(
        self, cases: Sequence[LabelledCase], labels: Labels, *, executor: Executor, progress: Progress
    ) -> Mapping[str, Any]:
        """Return the rule that raises the mean Dice over the cases.

        It tries the whole foreground first, then each class or region. The foreground's step must raise the mean over
        classes and lower no class; the step of a class must raise that class. If classes do not overlap, their steps
        are independent, so one reading of the cases tries them all.
        """
        return _rule(_DiceTrials(cases, labels, executor, progress), labels)

    def fit_by(
        self,
        figure: RankedFigure,
        cases: Sequence[LabelledCase],
        labels: Labels,
        *,
        executor: Executor,
        progress: Progress,
    ) -> Mapping[str, Any]:
        """Return the rule that improves the mean of a figure over the cases; the steps are those of `fit`."""
        return _rule(_FigureTrials(cases, labels, executor, progress, figure), labels)

    def apply(
        self,
        label_map: LabelArray,
        rule: Mapping[str, Any],
        *,
        spacing: Sequence[float],  # noqa: ARG002 - the rule counts voxels
        labels: Labels,
    ) -> LabelArray:
        """Apply the steps of the rule to a label map (z, y, x).

        Raises:
            InvalidFile: the rule is not one of this postprocessor.
        """
        steps = rule.get("keep_largest")
        if not isinstance(steps, list) or not all(_is_step(step, labels) for step in steps):
            raise InvalidFile(f"rule {dict(rule)!r} is no rule of largest-component; fit it again")
        return _keep_largest(label_map, [tuple(step) for step in steps])


def _is_step(step: object, labels: Labels) -> bool:
    """Return whether a step of a rule is a list of label values."""
    return isinstance(step, list) and all(isinstance(value, int) and value in labels.all_values for value in step)


class _Gain(NamedTuple):
    """The improvement by a step: of the mean over classes, and of each class or region (key -> difference)."""

    mean: float
    classes: Mapping[str, float]


def _rule(trials: _Trials, labels: Labels) -> Mapping[str, Any]:
    foreground = tuple(value for value in labels.all_values if value not in BACKGROUND)
    (gain,) = trials.gains([], [foreground])
    steps = [foreground] if gain.mean > 0 and not any(change < 0 for change in gain.classes.values()) else []
    regions = [*zip(labels.keys, labels.foreground, strict=True)] if len(labels.foreground) > 1 else []
    for group in [[region] for region in regions] if labels.has_regions else [regions] if regions else []:
        gains = trials.gains(steps, [region for _, region in group])
        steps += [region for (key, region), gain in zip(group, gains, strict=True) if gain.classes[key] > 0]
    return {"keep_largest": [list(step) for step in steps]}


@dataclass(frozen=True)
class _Trials(ABC):
    """Scores of the cases before and after further steps; one reading of each case serves all steps."""

    cases: Sequence[LabelledCase]
    labels: Labels
    executor: Executor
    progress: Progress

    @abstractmethod
    def gains(self, taken: Sequence[Region], tried: Sequence[Region]) -> list[_Gain]:
        """Return the improvement by each step of `tried` after the steps `taken`."""

    def read(self, function: Callable[[LabelledCase], T]) -> list[T]:
        """Return the result of a function for every case."""
        found = []
        with self.progress.task("fit postprocessing", len(self.cases)) as advance:
            results = self.executor.map(function, self.cases, stage="postprocess", name=attrgetter("name"))
            for case, result in zip(self.cases, results, strict=True):
                found.append(result)
                advance(case.name)
        return found


@dataclass(frozen=True)
class _DiceTrials(_Trials):
    """Trials by the mean Dice, from confusion matrices."""

    def gains(self, taken: Sequence[Region], tried: Sequence[Region]) -> list[_Gain]:
        """See `_Trials`."""
        counts = self.read(partial(_counts, taken=tuple(taken), tried=tuple(tried), labels=self.labels))
        before, *afters = (self._summary(trial) for trial in zip(*counts, strict=True))
        return [self._gain(before, after) for after in afters]

    def _gain(self, before: Summary, after: Summary) -> _Gain:
        mean = after["foreground_mean"]["Dice"] - before["foreground_mean"]["Dice"]
        return _Gain(mean, {k: after["mean"][k]["Dice"] - before["mean"][k]["Dice"] for k in self.labels.keys})

    def _summary(self, cases: Sequence[npt.NDArray[np.int64]]) -> Summary:
        regions = list(zip(self.labels.keys, self.labels.foreground, strict=True))
        values = self.labels.all_values
        return summarise([{key: overlap(counts, values, region) for key, region in regions} for counts in cases])


@dataclass(frozen=True)
class _FigureTrials(_Trials):
    """Trials by a figure of any metric, paired over cases."""

    figure: RankedFigure

    def gains(self, taken: Sequence[Region], tried: Sequence[Region]) -> list[_Gain]:
        """See `_Trials`."""
        measure = partial(_figures, taken=tuple(taken), tried=tuple(tried), labels=self.labels, figure=self.figure)
        values = np.array(self.read(measure), np.float64)  # cases, trials, classes
        gains = []
        for after in values[:, 1:].swapaxes(0, 1):
            change = np.array([_change(was, now) for was, now in zip(values[:, 0].T, after.T, strict=True)])
            gains.append(_Gain(float(change.mean()), dict(zip(self.labels.keys, change.tolist(), strict=True))))
        return gains


def _change(before: Floats, after: Floats) -> float:
    """Return the change of the mean over cases, without NaN as in summaries; NaN if there is no mean.

    Cases with the same infinite value before and after are left out, since they would hide the change of all others.
    """
    moves = ~(np.isinf(before) & (before == after))
    was, now = (values[moves & ~np.isnan(values)] for values in (before, after))
    if not moves.any():
        return 0.0
    with np.errstate(invalid="ignore"):  # infinite values that come and go have no difference
        return float(now.mean() - was.mean()) if now.size and was.size else math.nan


def _figures(
    case: LabelledCase, *, taken: Sequence[Region], tried: Sequence[Region], labels: Labels, figure: RankedFigure
) -> list[list[float]]:
    """Return the figure of each class or region before and after each tried step; higher is better."""
    predicted, expected = read_pair(case.prediction, case.reference, case.readers)
    prediction, spacing = _keep_largest(predicted.array, taken), expected.geometry.spacing
    maps = [prediction, *(_keep_largest(prediction, [region]) for region in tried)]
    scores = [signed_figure(figure, expected.array, label_map, labels, spacing=spacing) for label_map in maps]
    return [[score[key] for key in labels.keys] for score in scores]


def _counts(
    case: LabelledCase, *, taken: Sequence[Region], tried: Sequence[Region], labels: Labels
) -> list[npt.NDArray[np.int64]]:
    """Return the confusion matrices of a case before and after each tried step.

    A step moves the counts of the voxels that it removes from their class to the background.
    """
    predicted, expected = read_pair(case.prediction, case.reference, case.readers)
    reference, prediction = expected.array, _keep_largest(predicted.array, taken)
    before = _confusion(reference, prediction, labels)
    counts = [before]
    for region in tried:
        removed = _surplus(prediction, region)
        was, background = prediction[removed], np.zeros(np.count_nonzero(removed), prediction.dtype)
        moved = _confusion(reference[removed], background, labels) - _confusion(reference[removed], was, labels)
        counts.append(before + moved)
    return counts


def _confusion(reference: LabelArray, prediction: LabelArray, labels: Labels) -> npt.NDArray[np.int64]:
    return confusion(reference, prediction, labels.all_values, ignore=labels.ignore)


def _keep_largest(label_map: LabelArray, steps: Sequence[Region]) -> LabelArray:
    kept = label_map.copy()
    for region in steps:
        kept[_surplus(kept, region)] = 0
    return kept


def _surplus(label_map: LabelArray, region: Region) -> npt.NDArray[np.bool_]:
    """Return the mask of the voxels of a region outside its largest component."""
    mask = np.isin(label_map, region)
    return mask & ~largest_component(mask)
