"""Draw charts as SVG: lines over epochs, and the values of cases per class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 12, 44
COLOURS = 8
_MOST_POINTS = 400
_TICKS = 5
_ROW = 34
_NICE = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: the name in the legend; lines with one name have one colour.
        title: the text that a pointer over the line shows.
        points: x and y; NaN leaves a gap.
    """

    name: str
    title: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        name: the name with the unit.
        at_least: the range that it has at least; None for that of the values.
        whole: whether its numbers are whole.
    """

    name: str
    at_least: tuple[float, float] | None = None
    whole: bool = False


@dataclass(frozen=True)
class Row:
    """The values of the cases in a row of a chart of values; `values` has (name of the case, value), without NaN."""

    name: str
    values: tuple[tuple[str, float], ...]
    colour: int = 1


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, *, title: str) -> Markup:
    """Return a chart of lines with axes and a legend; empty if no line has a point.

    Args:
        lines: the lines.
        x: the axis of the first numbers.
        y: the axis of the second numbers.
        title: what the chart shows, for screen readers.
    """
    known = [point for line in lines for point in line.points if not math.isnan(point[1])]
    if not known:
        return Markup()
    across = _Scale.over([point[0] for point in known], x, (LEFT, WIDTH - RIGHT))
    up = _Scale.over([point[1] for point in known], y, (HEIGHT - BOTTOM, TOP))
    names = list(dict.fromkeys(line.name for line in lines))
    parts = [*_frame(across, up, x, y, HEIGHT)]
    parts += [_path(line, across, up, names.index(line.name) % COLOURS + 1) for line in lines]
    return _svg(parts, HEIGHT, title) + _legend(names)


def value_chart(rows: Sequence[Row], x: Axis, *, title: str) -> Markup:
    """Return a chart with a row per class: a dot per case and a bar at the median; empty if no row has a value."""
    known = [value for row in rows for _, value in row.values]
    if not known:
        return Markup()
    height = TOP + _ROW * len(rows) + BOTTOM
    left = LEFT + max(7 * max(len(_short(row.name)) for row in rows) - LEFT + 16, 0)
    across = _Scale.over(known, x, (left, WIDTH - RIGHT))
    parts = [*_columns(across, x, height)]
    for index, row in enumerate(rows):
        middle = TOP + _ROW * (index + 0.5)
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(left - 8, middle + 4, _short(row.name))
        )
        parts += [_dot(across, middle, name, value, number, row) for number, (name, value) in enumerate(row.values)]
        parts += _median(across, middle, row)
    return _svg(parts, height, title)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    step: float
    start: float
    stop: float

    @classmethod
    def over(cls, values: Sequence[float], axis: Axis, place: tuple[float, float]) -> _Scale:
        low, high = min(values), max(values)
        if axis.at_least is not None:
            low, high = min(low, axis.at_least[0]), max(high, axis.at_least[1])
        step = _step((high - low) or abs(high) or 1.0)
        step = max(1.0, round(step)) if axis.whole else step
        low, high = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
        return cls(low, high if high > low else low + step, step, *place)

    def at(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start), 1)

    def ticks(self) -> list[float]:
        return [self.low + index * self.step for index in range(round((self.high - self.low) / self.step) + 1)]

    def text(self, value: float) -> str:
        digits = max(0, -math.floor(math.log10(self.step) + 1e-9)) if self.step < 1 else 0
        digits += self.step not in (1, 2, 5, 10) and abs(self.step * 10**digits - round(self.step * 10**digits)) > 1e-6
        return f"{value:.{digits}f}"


def _step(size: float) -> float:
    rough = size / _TICKS
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(power * nice for nice in _NICE if power * nice >= rough * 0.999)


def _columns(across: _Scale, x: Axis, height: float) -> list[Markup]:
    """Return the vertical lines with their numbers, and the name of the axis."""
    parts = []
    for tick in across.ticks():
        place = across.at(tick)
        parts.append(
            Markup('<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(place, TOP, height - BOTTOM)
        )
        text = Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>')
        parts.append(text.format(place, height - BOTTOM + 16, across.text(tick)))
    name = Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>')
    parts.append(name.format((across.start + across.stop) / 2, height - 8, x.name))
    return parts


def _frame(across: _Scale, up: _Scale, x: Axis, y: Axis, height: float) -> list[Markup]:
    parts = _columns(across, x, height)
    for tick in up.ticks():
        place = up.at(tick)
        parts.append(
            Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>').format(LEFT, WIDTH - RIGHT, place)
        )
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(LEFT - 6, place + 4, up.text(tick))
        )
    middle = (TOP + height - BOTTOM) / 2
    name = Markup('<text x="14" y="{0}" text-anchor="middle" transform="rotate(-90 14 {0})">{1}</text>')
    return [*parts, name.format(middle, y.name)]


def _path(line: Line, across: _Scale, up: _Scale, colour: int) -> Markup:
    points, pen = [], "M"
    for x, y in thinned(line.points):
        if math.isnan(y):
            pen = "M"
            continue
        points.append(f"{pen}{across.at(x)} {up.at(y)}")
        pen = "L"
    if len(points) == 1:
        place = points[0][1:].split()
        return Markup('<circle class="s{}" cx="{}" cy="{}" r="3"><title>{}</title></circle>').format(
            colour, *place, line.title
        )
    return Markup('<path class="s{}" d="{}"><title>{}</title></path>').format(colour, "".join(points), line.title)


def thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Return at most about 400 of the points, at equal distances, with the last one."""
    every = max(1, math.ceil(len(points) / _MOST_POINTS))
    return points if every == 1 else [*points[:-1:every], points[-1]]


def _dot(across: _Scale, middle: float, name: str, value: float, number: int, row: Row) -> Markup:
    shift = (number * 7 % 17 - 8) * 0.9  # spreads dots that lie on one another, always in the same way
    dot = Markup('<circle class="s{}" cx="{}" cy="{}" r="3.5"><title>{}: {:.4g}</title></circle>')
    return dot.format(row.colour, across.at(value), round(middle + shift, 1), name, value)


def _median(across: _Scale, middle: float, row: Row) -> list[Markup]:
    values = sorted(value for _, value in row.values)
    if not values:
        return []
    half = len(values) // 2
    median = values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2
    line = Markup('<line class="median" x1="{0}" x2="{0}" y1="{1}" y2="{2}"><title>median {3:.4g}</title></line>')
    return [line.format(across.at(median), middle - 12, middle + 12, median)]


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"


def _svg(parts: Sequence[Markup], height: float, title: str) -> Markup:
    head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, round(height), escape(title))
    return head + Markup().join(parts) + Markup("</svg>")


def _legend(names: Sequence[str]) -> Markup:
    entry = Markup('<li><span class="swatch s{}"></span>{}</li>')
    entries = [entry.format(index % COLOURS + 1, name) for index, name in enumerate(names)]
    return Markup('<ul class="key">') + Markup().join(entries) + Markup("</ul>")
