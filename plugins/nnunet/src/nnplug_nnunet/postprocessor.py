"""`largest-component`: nnU-Net's postprocessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.contracts import LabelledCase
from nnplug.dataset.labels import BACKGROUND, Labels
from nnplug.errors import InvalidFile
from nnplug.evaluation.pairs import read_pair
from nnplug.evaluation.summary import Summary, summarise
from nnplug.ops.connected_components import largest_component
from nnplug.ops.metrics import confusion, overlap

if TYPE_CHECKING:
    import numpy.typing as npt

    from nnplug.runtime.executor import Executor
    from nnplug.runtime.progress import Progress

Region = tuple[int, ...]


@dataclass(frozen=True)
class LargestComponent:
    """Keep the largest component of the foreground, and of single classes or regions, where that raises Dice.

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
        trials = _Trials(cases, labels, executor, progress)
        foreground = tuple(value for value in labels.all_values if value not in BACKGROUND)
        before, (after,) = trials.run([], [foreground])
        rises = after["foreground_mean"]["Dice"] > before["foreground_mean"]["Dice"]
        worse = any(after["mean"][key]["Dice"] < before["mean"][key]["Dice"] for key in labels.keys)
        steps = [foreground] if rises and not worse else []
        regions = [*zip(labels.keys, labels.foreground, strict=True)] if len(labels.foreground) > 1 else []
        for group in [[region] for region in regions] if labels.has_regions else [regions] if regions else []:
            before, afters = trials.run(steps, [region for _, region in group])
            steps += [
                region
                for (key, region), after in zip(group, afters, strict=True)
                if after["mean"][key]["Dice"] > before["mean"][key]["Dice"]
            ]
        return {"keep_largest": [list(step) for step in steps]}

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
        if not isinstance(steps, list) or not all(set(step) <= set(labels.all_values) for step in steps):
            raise InvalidFile(f"rule {dict(rule)!r} is no rule of largest-component; fit it again")
        return _keep_largest(label_map, [tuple(step) for step in steps])


@dataclass(frozen=True)
class _Trials:
    """Scores of the cases before and after further steps; one reading of each case serves all steps."""

    cases: Sequence[LabelledCase]
    labels: Labels
    executor: Executor
    progress: Progress

    def run(self, taken: Sequence[Region], tried: Sequence[Region]) -> tuple[Summary, list[Summary]]:
        """Return the summary after the steps `taken`, and one summary for each step of `tried` after those."""
        count = partial(_counts, taken=tuple(taken), tried=tuple(tried), labels=self.labels)
        counts = []
        with self.progress.task("fit postprocessing", len(self.cases)) as advance:
            results = self.executor.map(count, self.cases, stage="postprocess", name=attrgetter("name"))
            for case, result in zip(self.cases, results, strict=True):
                counts.append(result)
                advance(case.name)
        before, *afters = (self._summary(trial) for trial in zip(*counts, strict=True))
        return before, afters

    def _summary(self, cases: Sequence[npt.NDArray[np.int64]]) -> Summary:
        regions = list(zip(self.labels.keys, self.labels.foreground, strict=True))
        values = self.labels.all_values
        return summarise([{key: overlap(counts, values, region) for key, region in regions} for counts in cases])


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
