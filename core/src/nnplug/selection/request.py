"""The request for selection, a row per candidate, and the result, `selection.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnplug.dataset.dataset import Dataset
from nnplug.evaluation.postprocess import RuleRecord
from nnplug.ops.bootstrap import LEVEL, SAMPLES
from nnplug.runtime.records import Record
from nnplug.workspace.layout import Workspace
from nnplug.workspace.runs import WeightsKind

RECORD = "selection.json"
SCHEMA = 1
SELECTED = "selected"


@dataclass(frozen=True)
class SelectRequest:
    """The candidates to compare.

    Attributes:
        dataset: the raw dataset.
        workspace: where its runs are.
        plans: names of plans whose configurations take part.
        configurations: those that take part; empty for all whose folds are all trained.
        folds: the folds that count; empty for all of `splits.json`.
        weights: of each training.
        ensembles: whether ensembles of two take part.
        keep_logits: whether probabilities that had to be computed again are kept for another time.
        target: the bundle, a folder or a zip; `model/selected` of the workspace where None.
        replace: whether a target may be replaced that nnplug did not write, or that has changed since.
    """

    dataset: Dataset
    workspace: Workspace
    plans: tuple[str, ...]
    configurations: tuple[str, ...] = ()
    folds: tuple[int, ...] = ()
    weights: WeightsKind = "final"
    ensembles: bool = True
    keep_logits: bool = False
    target: Path | None = None
    replace: bool = False


class Entry(Record, frozen=True, kw_only=True):
    """A row of the comparison.

    Attributes:
        name: of the configuration, or of the ensemble.
        members: names of the configurations that are averaged, one or two.
        dice: the mean foreground Dice.
        dice_per_class: class or region, as `summary.json` calls it -> mean Dice.
        difference: `dice` less that of the best.
        interval: the bootstrap interval of the difference, paired over cases.
        folder: where its label maps and `summary.json` are.
    """

    name: str
    members: tuple[str, ...]
    dice: float
    dice_per_class: dict[str, float]
    difference: float
    interval: tuple[float, float]
    folder: str


class Selection(Record, frozen=True, kw_only=True):
    """`selection.json`.

    Attributes:
        schema: version of this layout.
        dataset: its name.
        folds: those that counted.
        weights: "final" or "best" weights of the trainings.
        cases: how many cases were compared.
        level: of the intervals.
        samples: draws of the bootstrap.
        entries: in the order of comparison.
        best: the name of the winner.
        rule: its postprocessing.
        dice_postprocessed: the mean foreground Dice after postprocessing, on the cases that it was fitted on.
        bundle: the model that predicts with the winner.
    """

    schema: int = SCHEMA
    dataset: str
    folds: tuple[str, ...]
    weights: WeightsKind
    cases: int
    level: float = LEVEL
    samples: int = SAMPLES
    entries: tuple[Entry, ...]
    best: str
    rule: RuleRecord
    dice_postprocessed: float
    bundle: str
