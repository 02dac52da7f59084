"""Draw one picture of a case: slices of the image, the same with the label map over them, and a legend."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nnplug.dataset.labels import Labels
from nnplug.pictures.colours import Rgb, label_colour
from nnplug.pictures.drawing import Picture, draw_slice
from nnplug.pictures.views import View

LONGEST = 400
"""The pixels of the longest side of all slices."""
_GAP, _LINE, _SWATCH = 8, 20, 12
"""The pixels between slices, of a line of text, and of the square of a colour in the legend."""
_PERCENTILES, _OPACITY = (0.5, 99.5), 0.5
"""As in reports."""
_MOST_NAMES = 40
"""The largest number of classes in a legend."""

LegendEntry = tuple[str, tuple[Rgb, ...]]
"""A name in the legend with its colours."""


def draw_preview(views: Sequence[View], labels: Labels, *, title: str) -> Picture:
    """Return a picture with a column per view: the slice, and below it the slice with its labels; then a legend.

    All slices have the same number of pixels per mm. Colours are those of `label_colour`, as in reports.

    Args:
        views: the slices, see `nnplug.pictures.views.views_of`.
        labels: the classes or regions in the legend; a region has the colours of all its values.
        title: the text above.

    Returns:
        (rows, columns, 3) uint8.
    """
    panels = [_panels(view, pixels_per_mm(views)) for view in views]
    widths = [max(one.width, _length(_caption(view))) for (one, _), view in zip(panels, views, strict=True)]
    width, height = max(sum(widths), _length(title)), max(one.height for one, _ in panels)
    lines = list(_lines(legend_of(views, labels), width))
    first, second = 2 * _LINE + _GAP, 2 * _LINE + height + 2 * _GAP
    canvas = Image.new("RGB", (width + _GAP * (len(views) + 1), second + height + _GAP + _LINE * len(lines)))
    pen, left = ImageDraw.Draw(canvas), _GAP
    pen.text((left, _GAP // 2), title, "white", _font())
    for view, (plain, labelled), column in zip(views, panels, widths, strict=True):
        pen.text((left, _LINE + _GAP // 2), _caption(view), "white", _font())
        canvas.paste(plain, (left, first))
        canvas.paste(labelled, (left, second))
        left += column + _GAP
    for number, line in enumerate(lines):
        _write_line(pen, line, second + height + _GAP // 2 + number * _LINE)
    return np.asarray(canvas)


def pixels_per_mm(views: Sequence[View]) -> float:
    """Return the scale at which the longest side of all views has `LONGEST` pixels."""
    sides = [float(size * mm) for view in views for size, mm in zip(view.plane.shape, view.spacing, strict=True)]
    return LONGEST / max(sides)


def legend_of(views: Sequence[View], labels: Labels) -> tuple[LegendEntry, ...]:
    """Return the classes or regions that the views show, each with the colours of all its values."""
    shown = {int(value) for view in views for value in np.unique(view.label)}
    named = zip(labels.foreground_names, labels.foreground, strict=True)
    entries = [(name, tuple(map(label_colour, values))) for name, values in named if shown.intersection(values)]
    left_out = len(entries) - _MOST_NAMES
    more: list[LegendEntry] = [(f"and {left_out} more", ())] if left_out > 0 else []
    return (*entries[:_MOST_NAMES], *more) if entries else (("no class is in this label map", ()),)


def _panels(view: View, scale: float) -> tuple[Image.Image, Image.Image]:
    """Return the slice without and with its labels; voxels are squares of pixels, or pixels means of voxels."""
    height, width = (max(1, round(n * mm * scale)) for n, mm in zip(view.plane.shape, view.spacing, strict=True))
    plain, labelled = (
        draw_slice(view.plane, label, percentiles=_PERCENTILES, opacity=_OPACITY) for label in (None, view.label)
    )
    first, second = (Image.fromarray(one).resize((width, height), Image.Resampling.BOX) for one in (plain, labelled))
    return first, second


def _caption(view: View) -> str:
    return view.name if view.count == 1 else f"{view.name} {view.number} of {view.count}"


def _lines(entries: Sequence[LegendEntry], width: int) -> Iterator[list[LegendEntry]]:
    """Yield the entries of each line of the legend."""
    line: list[LegendEntry] = []
    for entry in entries:
        if line and sum(map(_entry_length, (*line, entry))) > width:
            yield line
            line = []
        line.append(entry)
    yield line


def _write_line(pen: ImageDraw.ImageDraw, line: Sequence[LegendEntry], top: int) -> None:
    left = _GAP
    for name, colours in line:
        for number, colour in enumerate(colours):
            corner = left + number * _SWATCH, top + (_LINE - _SWATCH) // 2
            pen.rectangle((*corner, corner[0] + _SWATCH - 1, corner[1] + _SWATCH - 1), fill=colour)
        pen.text((left + len(colours) * _SWATCH + _GAP // 2, top + 1), name, "white", _font())
        left += _entry_length((name, colours))


def _entry_length(entry: LegendEntry) -> int:
    name, colours = entry
    return len(colours) * _SWATCH + _length(name) + 2 * _GAP


def _length(text: str) -> int:
    """Return the pixels of a text."""
    return round(_font().getlength(text) + 0.5)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Return matplotlib's font, which has Latin, Greek and Cyrillic letters."""
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", 13)
