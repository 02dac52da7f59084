"""Pictures of the results: ratios with their goals, and curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.page import UNITS
from harness.results import Results
from harness.row import Row

_BAR = 0.35  # inches
Bar = tuple[str, float, float | None]
"""Label, ratio, goal."""


def draw(rows: Mapping[str, Row], machines: Sequence[Results], folder: Path) -> dict[str, str]:
    """Write the pictures; gives captions by file name."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {}
    for results in machines:
        if bars := list(_bars(rows, results)):
            name = f"ratios-{results.machine.slug}.png"
            _ratios(bars, results.machine.title, folder / name)
            drawn[name] = f"Ratios nnplug / peer with their goals on {results.machine.title}"
        for row, case, curves in _curves(rows, results):
            name = f"{row}-{results.machine.slug}.png"
            _curve(curves, f"{rows[row].title}: {case}", folder / name)
            drawn[name] = f"{rows[row].title} on {results.machine.title}"
    return drawn


def _bars(rows: Mapping[str, Row], results: Results) -> Sequence[Bar]:
    bars = []
    for name, row in rows.items():
        for case in row.cases:
            measured = results.find(name, case.name)
            if measured is None or measured.result.is_disturbed:
                continue
            for quantity, (called, _) in UNITS.items():
                ratio = measured.result.ratio(quantity)
                goals = [g.limit for g in case.goals if g.of == "ratio" and g.quantity == quantity]
                if ratio is not None and ratio > 0 and goals:
                    bars.append((f"{name}: {case.name}, {called}", ratio, goals[0]))
    return bars


def _ratios(bars: Sequence[Bar], title: str, path: Path) -> None:
    figure = Figure(figsize=(9, 1.2 + _BAR * len(bars)), layout="constrained")
    axes: Axes = figure.subplots()
    labels, ratios, goals = zip(*bars, strict=True)
    places = range(len(bars))
    colours = ["tab:green" if r <= g else "tab:orange" for r, g in zip(ratios, goals, strict=True)]
    axes.barh(places, ratios, color=colours)
    axes.scatter(goals, places, marker="|", s=200, color="black", label="goal")
    axes.axvline(1, color="grey", linewidth=1)
    axes.set(xscale="log", yticks=list(places), yticklabels=labels, title=title, xlabel="nnplug / peer")
    axes.invert_yaxis()
    axes.legend()
    figure.savefig(path, dpi=100)


Curves = Mapping[str, Sequence[Sequence[float]]]


def _curves(rows: Mapping[str, Row], results: Results) -> Sequence[tuple[str, str, Curves]]:
    found = []
    for name, row in rows.items():
        for case in row.cases:
            measured = results.find(name, case.name)
            if measured is None or measured.result.is_disturbed:
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
    figure.savefig(path, dpi=100)
