"""The checks of `nnplug.contracts.Metric`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nnplug.contracts import Figures
from nnplug.dataset.labels import Labels
from nnplug.testing import samples
from nnplug.testing.check import Checks, Subject, require

SPACING = (2.0, 1.0, 1.5)
REGIONS = Labels({"background": (0,), "whole": (1, 2), "tumour": (2,)}, (1, 2))

Scores = dict[str, Figures]


def _gives_its_figures(subject: Subject) -> None:
    reference, prediction = _maps()
    for labels in (samples.LABELS, REGIONS):
        _check_figures(subject, _scores(subject, reference, prediction, labels))


def _check_figures(subject: Subject, scores: Scores) -> None:
    wanted = subject.create().figures
    require(scores, "there are no scores for labels that both maps hold")
    for key, figures in scores.items():
        require(tuple(figures) == tuple(wanted), f"{key} got {list(figures)} instead of its figures {list(wanted)}")
        wrong = {name: value for name, value in figures.items() if not isinstance(value, int | float)}
        require(not wrong, f"{key} got {wrong}; figures are Python's own numbers, which JSON holds")


def _leaves_maps(subject: Subject) -> None:
    reference, prediction = _maps()
    before = reference.copy(), prediction.copy()
    _scores(subject, reference, prediction, samples.LABELS)
    require(np.array_equal(before[0], reference), "the reference that was given has been changed")
    require(np.array_equal(before[1], prediction), "the prediction that was given has been changed")


def _ranks_what_is_right_first(subject: Subject) -> None:
    reference, prediction = _maps()
    metric = subject.create()
    require(set(metric.ranked) <= set(metric.figures), f"ranked names {sorted(metric.ranked)}; not all are figures")
    right, wrong = (_scores(subject, reference, label_map, samples.LABELS) for label_map in (reference, prediction))
    for name, better in metric.ranked.items():
        require(better in ("higher", "lower"), f"ranked[{name!r}] is {better!r}; expected 'higher' or 'lower'")
        first: Callable[[float, float], float] = max if better == "higher" else min
        for key in right:
            a, b = right[key][name], wrong[key][name]
            require(
                math.isnan(a) or math.isnan(b) or first(a, b) == a,
                f"{name} of {key} is {b} for a wrong prediction and {a} for the right one; {better} ones are to win",
            )


def _tells_apart(subject: Subject) -> None:
    """Raise unless a prediction with an island and a shift scores worse than the reference in at least one class."""
    reference, prediction = _maps()
    metric = subject.create()
    right, wrong = (_scores(subject, reference, label_map, samples.LABELS) for label_map in (reference, prediction))
    same = [name for name in metric.figures if all(_is_same(right[key][name], wrong[key][name]) for key in right)]
    constant = [name for name in same if name in metric.ranked]
    require(not constant, f"{', '.join(constant)} is the same for a right and for a wrong prediction")
    require(len(same) < len(metric.figures), "all figures are the same for a right and for a wrong prediction")


def _is_same(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _measures_empty_maps(subject: Subject) -> None:
    reference, _ = _maps()
    empty = np.zeros_like(reference)
    for first, second in ((empty, empty), (reference, empty), (empty, reference)):
        _check_figures(subject, _scores(subject, first, second, samples.LABELS))


def _ignores(subject: Subject) -> None:
    labels = replace(samples.LABELS, ignore=3)
    reference, prediction = _maps()
    reference[:, :, :4] = 3
    other = prediction.copy()
    other[:, :, :4] = 1
    same = repr(_scores(subject, reference, prediction, labels)) == repr(_scores(subject, reference, other, labels))
    require(same, "voxels whose reference is the ignore label changed the figures")


def _scores(subject: Subject, reference: samples.Label, prediction: samples.Label, labels: Labels) -> Scores:
    return dict(subject.create().measure(reference, prediction, labels, spacing=SPACING))


def _maps() -> tuple[samples.Label, samples.Label]:
    """Return a reference, and a prediction with an additional island and a shifted class."""
    reference = np.maximum(samples.volume(0)[1], 0)
    prediction = np.roll(reference, 1, axis=1)
    prediction[-2:, -2:, -2:] = 1
    return reference, prediction


CHECKS: Checks = {
    "gives its figures for classes and regions": _gives_its_figures,
    "leaves the label maps as they are": _leaves_maps,
    "ranks what is right first": _ranks_what_is_right_first,
    "tells right from wrong": _tells_apart,
    "measures empty maps": _measures_empty_maps,
    "does not count ignored voxels": _ignores,
}
