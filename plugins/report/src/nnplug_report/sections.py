"""Make the parts of a report that show predictions: scores, volumes, and the cases of the viewer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from nnplug.errors import NnplugError
from nnplug.ops.bootstrap import mean_score
from nnplug.runtime.progress import Progress
from nnplug_report.charts import Axis, Row, value_chart
from nnplug_report.curves import Chart
from nnplug_report.scores import (
    ClassScore,
    Extents,
    Scores,
    case_means,
    class_scores,
    dice_scores,
    landmarks,
    mean_interval,
    measure_extents,
    order_of,
)
from nnplug_report.shown_case import PREDICTION, REFERENCE, ShownCase, ShownFiles, show_case
from nnplug_report.subject import Case, Result
from nnplug_report.viewer import ListedCase

SHOWN_CASES = 20
"""The most cases that a report shows in its viewer."""
SHOWN_BYTES = 26_000_000
"""The bytes of all shown cases together; with the script of the viewer a page stays below 30 MB."""
_MOST_ROWS = 40
_COLOUR_OF_REFERENCES = 8


@dataclass(frozen=True)
class CaseRow:
    """A row of the table of all cases; `shown` is its number in the viewer, None for a case that is not shown."""

    name: str
    mean: float
    dice: tuple[float, ...]
    predicted: tuple[float, ...]
    reference: tuple[float, ...]
    shown: int | None


@dataclass(frozen=True)
class Example:
    """The worst, the median or the best case: the note, the case with its pictures, and its number in the viewer."""

    note: str
    case: ShownCase
    shown: int


@dataclass(frozen=True)
class Section:
    """The part of a report on one result.

    Attributes:
        result: the predictions.
        mean: the mean Dice over classes and cases; NaN without scores.
        interval: its 95 % bootstrap interval.
        classes: the scores per class.
        unit: the unit of sizes.
        charts: the distributions of Dice and sizes.
        examples: the worst, the median and the best case.
        rows: all cases, in the order of names.
        failures: a sentence for each case that could not be shown.
    """

    result: Result
    mean: float
    interval: tuple[float, float]
    classes: tuple[ClassScore, ...]
    unit: str
    charts: tuple[Chart, ...]
    examples: tuple[Example, ...]
    rows: tuple[CaseRow, ...]
    failures: tuple[str, ...]


@dataclass(frozen=True)
class Room:
    """The room of a result in the viewer: its most cases and bytes, and the number of cases before them."""

    cases: int
    most_bytes: int
    before: int = 0


def make_section(result: Result, room: Room, progress: Progress) -> tuple[Section, tuple[ListedCase, ...]]:
    """Return the section of a result and its cases for the viewer.

    Raises:
        NnplugError: no label map of the result can be read.
    """
    dice, extents = dice_scores(result), measure_extents(result)
    means = case_means(dice) if result.is_scored else np.full(len(result.cases), math.nan)
    notes = _notes(result, means)
    listed, places, failures = _show(result, notes, _chosen(means, notes, room.cases), room, progress)
    examples = [
        Example(notes[index], listed[place].case, room.before + place)
        for index, place in places.items()
        if index in notes
    ]
    rows = [
        CaseRow(
            case.name,
            float(means[index]),
            tuple(dice[index].tolist()),
            tuple(one.predicted for one in extents.values[index]),
            tuple(one.reference for one in extents.values[index]),
            room.before + places[index] if index in places else None,
        )
        for index, case in enumerate(result.cases)
    ]
    section = Section(
        result=result,
        mean=mean_score(dice),
        interval=mean_interval(dice),
        classes=class_scores(result, dice, extents),
        unit=extents.unit,
        charts=_charts(result, dice, extents),
        examples=tuple(sorted(examples, key=lambda one: one.shown)),
        rows=tuple(rows),
        failures=failures,
    )
    slim = tuple(replace(one, case=replace(one.case, previews=())) for one in listed)
    return section, slim


def _notes(result: Result, means: Scores) -> dict[int, str]:
    """Return the index -> the note of the worst, median and best case; of the first case if none has a score."""
    named = landmarks(means)
    if not named:
        return {0: "first case"} if result.cases else {}
    return {index: f"{name}, mean Dice {means[index]:.3f}" for index, name in named.items()}


def _chosen(means: Scores, notes: dict[int, str], most: int) -> list[int]:
    """Return the indices of the cases to show: those with a note, then others at equal distances, worst first."""
    others = [index for index in order_of(means) if index not in notes]
    free = max(0, most - len(notes))
    kept = (
        others
        if len(others) <= free
        else [others[round(i * (len(others) - 1) / max(1, free - 1))] for i in range(free)]
    )
    return [*notes, *dict.fromkeys(kept)][:most]


def _show(
    result: Result, notes: dict[int, str], chosen: Sequence[int], room: Room, progress: Progress
) -> tuple[list[ListedCase], dict[int, int], tuple[str, ...]]:
    """Return the shown cases, index of a case -> its place among them, and a sentence for each that failed."""
    listed: list[ListedCase] = []
    places: dict[int, int] = {}
    failures: list[str] = []
    share = room.most_bytes // max(1, len(chosen))
    with progress.task("report", len(chosen)) as advance:
        for index in chosen:
            case = result.cases[index]
            try:
                shown = show_case(_files(case, result), most_bytes=share)
            except NnplugError as error:
                failures.append(f"{case.name} is not shown: {error.lines[0]}")
                continue
            finally:
                advance(case.name)
            places[index] = len(listed)
            listed.append(ListedCase(shown, notes.get(index, "")))
    return listed, places, tuple(failures)


def _files(case: Case, result: Result) -> ShownFiles:
    layers: dict[str, Path] = {PREDICTION: case.prediction}
    if case.reference is not None and case.reference.is_file():
        layers[REFERENCE] = case.reference
    images = case.images if all(path.is_file() for path in case.images) else ()
    return ShownFiles(case.name, images, layers, result.readers, result.channels)


def _charts(result: Result, dice: Scores, extents: Extents) -> tuple[Chart, ...]:
    names = [case.name for case in result.cases]
    scored = [
        Row(one.name, _named(names, dice[:, index].tolist())) for index, one in enumerate(result.classes[:_MOST_ROWS])
    ]
    sizes: list[Row] = []
    for index, one in enumerate(result.classes[:_MOST_ROWS]):
        sizes.append(Row(one.name, _named(names, [row[index].predicted for row in extents.values])))
        reference = _named(names, [row[index].reference for row in extents.values])
        if reference:
            sizes.append(Row("reference", reference, _COLOUR_OF_REFERENCES))
    what = "Volume" if extents.unit == "ml" else "Area"
    charts = (
        Chart(
            "Dice per class",
            value_chart(scored, Axis("Dice (0 to 1)", (0.0, 1.0)), title="Dice of the cases per class"),
        ),
        Chart(
            f"{what} per class",
            value_chart(
                sizes, Axis(f"{what.lower()} in {extents.unit}", (0.0, 0.0)), title=f"{what} of the cases per class"
            ),
        ),
    )
    return tuple(chart for chart in charts if chart.picture)


def _named(names: Sequence[str], values: Sequence[float]) -> tuple[tuple[str, float], ...]:
    return tuple((name, value) for name, value in zip(names, values, strict=True) if not math.isnan(value))
