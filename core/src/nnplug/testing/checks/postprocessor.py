"""The checks of `nnplug.contracts.Postprocessor`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.contracts import LabelledCase, RankedFigure
from nnplug.contracts.capabilities import by_figure
from nnplug.evaluation.metrics import Overlap
from nnplug.io.images import Geometry, write_label
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.testing import samples
from nnplug.testing.check import Checks, NotChecked, Subject, require
from nnplug.testing.checks.executor import PicklingExecutor

if TYPE_CHECKING:
    from nnplug.contracts.kinds import PostprocessorEntry

SPACING = (1.0, 1.0, 1.0)
GEOMETRY = Geometry(samples.SHAPE, SPACING, SPACING, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
TYPES: tuple[type[np.integer[Any]], ...] = (np.uint8, np.int16)


def _fits(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        cases = _cases(Path(folder))
        rules = [_fit(subject, cases, workers) for workers in (1, 2)]
    require(json.loads(json.dumps(rules[0])) == rules[0], f"the rule {rules[0]} is not what JSON holds")
    require(rules[0] == rules[1], f"the same cases gave different rules: {rules[0]} and {rules[1]}")


def _fits_elsewhere(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        subject.create().fit(_cases(Path(folder)), samples.LABELS, executor=PicklingExecutor(1), progress=Silent())


def _applies(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        rule = json.loads(json.dumps(_fit(subject, _cases(Path(folder)))))
    for dtype in TYPES:
        label_map: LabelArray = _prediction(0).astype(dtype)
        before = label_map.copy()
        result = subject.create().apply(label_map, rule, spacing=SPACING, labels=samples.LABELS)
        require(np.array_equal(label_map, before), "the label map that was given has been changed")
        _check(result, before)
        again = subject.create().apply(label_map, rule, spacing=SPACING, labels=samples.LABELS)
        require(np.array_equal(result, again), "the same label map and rule gave another result the second time")


def _invents_nothing(subject: Subject) -> None:
    """Raise if the rule adds labels to a label map of background only."""
    with TemporaryDirectory() as folder:
        rule = json.loads(json.dumps(_fit(subject, _cases(Path(folder)))))
    empty = np.zeros(samples.SHAPE, np.uint8)
    result = subject.create().apply(empty, rule, spacing=SPACING, labels=samples.LABELS)
    found = np.unique(result[result > 0]).tolist()
    require(not found, f"an empty label map came back with the labels {found}")


def _check(result: LabelArray, before: LabelArray) -> None:
    require(result.shape == before.shape, f"a label map of shape {before.shape} came back with shape {result.shape}")
    require(result.dtype == before.dtype, f"a label map of {before.dtype} came back as {result.dtype}")
    unknown = sorted(set(np.unique(result).tolist()) - set(samples.LABELS.all_values))
    require(not unknown, f"the label map came back with the new values {unknown}")


def _fit(subject: Subject, cases: Sequence[LabelledCase], workers: int = 1) -> dict[str, Any]:
    rule = subject.create().fit(cases, samples.LABELS, executor=LocalExecutor(workers), progress=Silent())
    require(isinstance(rule, Mapping), f"fitting gave {type(rule).__name__} instead of a rule as a mapping")
    return dict(rule)


def _fits_by_figures(subject: Subject) -> None:
    entry = cast("PostprocessorEntry", subject.entry)
    if not entry.component.fits_by_figure:
        raise NotChecked("its entry does not say fits_by_figure=True")
    postprocessor = by_figure(entry, subject.create())
    assert postprocessor is not None, "the entry says so"
    for figure in (RankedFigure(Overlap(), "overlap.Dice", "Dice", 1), RankedFigure(Overlap(), "overlap.FP", "FP", -1)):
        with TemporaryDirectory() as folder:
            cases = _cases(Path(folder))
            rules = [
                postprocessor.fit_by(figure, cases, samples.LABELS, executor=executor, progress=Silent())
                for executor in (LocalExecutor(2), PicklingExecutor(1))
            ]
        require(isinstance(rules[0], Mapping), f"fit_by gave {type(rules[0]).__name__} instead of a rule as a mapping")
        require(json.loads(json.dumps(rules[0])) == rules[0], f"the rule {rules[0]} is not what JSON holds")
        require(rules[0] == rules[1], f"by {figure.name} the same cases gave {rules[0]} and {rules[1]}")


def _cases(folder: Path) -> list[LabelledCase]:
    """Write predictions that differ from their references by an island, and return the cases."""
    cases = []
    for seed, name in enumerate("abc"):
        case = LabelledCase(name, folder / "predictions" / f"{name}.nii.gz", folder / "references" / f"{name}.nii.gz")
        write_label(case.prediction, _prediction(seed), GEOMETRY)
        write_label(case.reference, _reference(seed), GEOMETRY)
        cases.append(case)
    return cases


def _reference(seed: int) -> npt.NDArray[np.int16]:
    return np.maximum(samples.volume(seed)[1], 0)


def _prediction(seed: int) -> npt.NDArray[np.int16]:
    label = _reference(seed)
    label[-2:, -2 - seed :, -2:] = 1
    return label


CHECKS: Checks = {
    "fits a rule that JSON holds": _fits,
    "applies its rule to a copy": _applies,
    "leaves an empty label map empty": _invents_nothing,
    "fits by a figure that the user names": _fits_by_figures,
    "gives jobs that other processes can run": _fits_elsewhere,
}
