"""The request of a selection, a row of its comparison, and its result, `selection.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import Dataset
from nnplug.evaluation.postprocess import RuleRecord
from nnplug.ops.bootstrap import LEVEL, SAMPLES
from nnplug.runtime.records import Record
from nnplug.selection.ranking import Ranking
from nnplug.workspace.layout import Workspace
from nnplug.workspace.runs import WeightsKind

RECORD = "selection.json"
SCHEMA = 1
SELECTED = "selected"
POSTPROCESSED = "postprocessed"
"""The folder of the winner's postprocessed label maps, in the folder of its label maps."""


@dataclass(frozen=True)
class SelectRequest:
    """The candidates to compare.

    Attributes:
        dataset: the raw dataset.
        workspace: the workspace of the runs.
        plans: the names of the plans.
        configurations: the configurations to compare, on a tie the first wins; empty for all with every fold trained,
            in the order of the plans.
        folds: the folds to compare; empty for all of `splits.json`.
        weights: "final" or "best" weights of each run.
        ensembles: whether ensembles of two are compared too.
        keep_logits: whether to keep probabilities that had to be computed again.
        keep_existing: whether to use the label maps and scores of an earlier comparison as they are, even if a run has
            been trained or validated again since.
        ranking: the figure that decides, and that postprocessing is fitted by; None for the mean foreground Dice, as in
            nnU-Net.
        target: the bundle, a folder or a zip file; None for `model/selected` of the workspace.
        replace: whether to replace a target that nnplug did not write, or that has changed since it wrote it.
    """

    dataset: Dataset
    workspace: Workspace
    plans: tuple[str, ...]
    configurations: tuple[str, ...] = ()
    folds: tuple[int, ...] = ()
    weights: WeightsKind = "final"
    ensembles: bool = True
    keep_logits: bool = False
    keep_existing: bool = False
    ranking: Ranking | None = None
    target: Path | None = None
    replace: bool = False


class ComparedCandidate(Record, frozen=True, kw_only=True):
    """A row of the comparison.

    Attributes:
        name: the name of the configuration or ensemble.
        members: the names of the one or two configurations that are averaged.
        dice: the mean foreground Dice.
        dice_per_class: class or region, as in `summary.json` -> mean Dice.
        difference: `dice` minus the Dice of the best; of `score`, if the selection has a metric.
        interval: the bootstrap interval of the difference, paired over cases.
        folder: the folder of its label maps and `summary.json`.
        score: the mean of the selection's metric over cases and classes; None without a metric.
    """

    name: str
    members: tuple[str, ...]
    dice: float
    dice_per_class: dict[str, float]
    difference: float
    interval: tuple[float, float]
    folder: str
    score: float | None = None


class Selection(Record, frozen=True, kw_only=True):
    """The content of `selection.json`.

    Attributes:
        schema: version of this layout.
        dataset: the name of the dataset.
        folds: the compared folds.
        weights: "final" or "best" weights of the runs.
        cases: the number of compared cases.
        level: the share of draws within the intervals.
        samples: the number of draws of the bootstrap.
        entries: the rows, in the order of comparison.
        best: the name of the winner.
        rule: the postprocessing rule of the winner.
        dice_postprocessed: the mean foreground Dice after postprocessing, on the cases that the rule was fitted on.
        bundle: the model that predicts with the winner.
        metric: the figure that decided, such as "surface.NSD"; None for the mean foreground Dice.
        metric_record: the metric of this figure, with its distribution and version.
        score_postprocessed: the mean of this figure after postprocessing, on the cases that the rule was fitted on.
    """

    schema: int = SCHEMA
    dataset: str
    folds: tuple[str, ...]
    weights: WeightsKind
    cases: int
    level: float = LEVEL
    samples: int = SAMPLES
    entries: tuple[ComparedCandidate, ...]
    best: str
    rule: RuleRecord
    dice_postprocessed: float
    bundle: str
    metric: str | None = None
    metric_record: dict[str, Any] | None = None
    score_postprocessed: float | None = None
