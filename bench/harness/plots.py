"""Pictures of the results: ratios with their goals, and curves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.page import UNITS
from harness.results import Results
from harness.row import Row

_BAR, _PLOT, _LETTER = 0.35, 4.5, 0.075  # inches: of a bar's height, of the axes' width, of a letter of a label
Bar = tuple[str, float, float | None]
"""Label, ratio, goal."""


@dataclass(frozen=True)
class Picture:
    """A plot of the page: its file's name, what it shows, and what writes it to a path."""

    file: str
    caption: str
    write: Callable[[Path], None]


def pictures(rows: Mapping[str, Row], machines: Sequence[Results]) -> list[Picture]:
    """The figures to draw."""
    found = []
    for results in machines:
        title, slug = results.machine.title, results.machine.slug
        if bars := _bars(rows, results):
            caption = f"Ratios nnplug / peer with their goals on {title}"
            found.append(Picture(f"ratios-{slug}.png", caption, partial(_ratios, bars, title)))
        for row, case, curves in _curves(rows, results):
            caption = f"{_caption(rows[row], case)} on {title}"
            write = partial(_curve, curves, f"{rows[row].title}: {case}")
            found.append(Picture(f"{_file(rows[row], row, case)}-{slug}.png", caption, write))
    return found


def _file(row: Row, name: str, case: str) -> str:
    """Return the start of the name of a picture; a row of several cases may have several."""
    return name if len(row.cases) == 1 else f"{name}-{re.sub('[^a-z0-9]+', '-', case.lower())}"


def _caption(row: Row, case: str) -> str:
    return row.title if len(row.cases) == 1 else f"{row.title}: {case}"


def draw(wanted: Sequence[Picture], folder: Path) -> None:
    """Write the pictures, and remove those that nothing stands behind any more."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in {path.name for path in folder.glob("*.png")} - {picture.file for picture in wanted}:
        (folder / stale).unlink()
    for picture in wanted:
        picture.write(folder / picture.file)


def _bars(rows: Mapping[str, Row], results: Results) -> Sequence[Bar]:
    bars = []
    for name, row in rows.items():
        for case in row.cases:
            measured = results.find(name, case.name)
            if measured is None or not measured.result.counts:
                continue
            for quantity, (called, _) in UNITS.items():
                ratio = measured.result.ratio(quantity)
                goals = [g.limit for g in case.goals if g.of == "ratio" and g.quantity == quantity]
                if ratio is not None and ratio > 0 and goals:
                    bars.append((f"{name}: {case.name}, {called}", ratio, goals[0]))
    return bars


def _ratios(bars: Sequence[Bar], title: str, path: Path) -> None:
    labels, ratios, goals = zip(*bars, strict=True)
    width = _PLOT + _LETTER * max(len(label) for label in labels)
    figure = Figure(figsize=(width, 1.2 + _BAR * len(bars)), layout="constrained")
    axes: Axes = figure.subplots()
    places = range(len(bars))
    colours = ["tab:green" if r <= g else "tab:orange" for r, g in zip(ratios, goals, strict=True)]
    axes.barh(places, ratios, color=colours)
    axes.scatter(goals, places, marker="|", s=200, color="black", label="goal")
    axes.axvline(1, color="grey", linewidth=1)
    axes.set(xscale="log", yticks=list(places), yticklabels=labels, xlabel="nnplug / peer")
    figure.suptitle(title)
    axes.invert_yaxis()
    axes.legend()
    figure.savefig(path, dpi=80)


Curves = Mapping[str, Sequence[Sequence[float]]]


def _curves(rows: Mapping[str, Row], results: Results) -> Sequence[tuple[str, str, Curves]]:
    found = []
    for name, row in rows.items():
        for case in row.cases:
            measured = results.find(name, case.name)
            if measured is None or not measured.result.counts:
                continue
            sides = {"nnplug": measured.result.nnplug, row.peer: measured.result.peer}
            curves = {side: samples[0]["curve"] for side, samples in sides.items() if samples and "curve" in samples[0]}
            if curves:
                found.append((name, case.name, curves))
    return found


def _curve(curves: Curves, title: str, path: Path) -> None:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes: Axes = figure.subplots()
    for side, points in curves.items():
        axes.plot([t / 60 for t, _ in points], [dice for _, dice in points], label=side)
    axes.set(xlabel="minutes", ylabel="Dice", ylim=(0, 1), title=title)
    axes.legend()
    figure.savefig(path, dpi=80)
