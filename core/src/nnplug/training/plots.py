"""Draw the curves of a run: losses, Dice, learning rate and seconds per epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnplug.contracts import LogLine, read_log
from nnplug.runtime.files import atomic_file


def draw_curves(log: Path, picture: Path) -> None:
    """Draw `progress.png` from `log.jsonl`, without a screen. Before the first epoch, do nothing.

    Raises:
        InvalidFile: a line of the log is not a `LogLine`.
    """
    from matplotlib.figure import Figure

    lines = read_log(log)
    if not lines:
        return
    figure = Figure(figsize=(9, 10))  # an automatic layout measures its texts and takes as long as all the rest
    losses, seconds, rate = figure.subplots(3, 1, sharex=True)
    figure.subplots_adjust(left=0.08, right=0.92, bottom=0.06, top=0.96, hspace=0.16)
    _curves(losses, lines, {"train_loss": "training loss", "val_loss": "validation loss"})
    if any(line.mean_dice is not None for line in lines):
        dice = losses.twinx()
        _curves(dice, lines, {"mean_dice": "pseudo Dice", "smoothed_dice": "pseudo Dice, smoothed"}, style="--")
        dice.set_ylim(0, 1)
    _curves(seconds, lines, {"seconds": "seconds per epoch", "wait_seconds": "of these waiting for data"})
    _curves(rate, lines, {"learning_rate": "learning rate"})
    rate.set_xlabel("epoch")
    with atomic_file(picture) as temporary:
        figure.savefig(temporary, dpi=100)


def _curves(axes: Any, lines: Sequence[LogLine], names: Mapping[str, str], style: str = "-") -> None:
    for index, (field, title) in enumerate(names.items()):
        values = [getattr(line, field) for line in lines]
        points = [(line.epoch, value) for line, value in zip(lines, values, strict=True) if value is not None]
        if points:  # a trainer may leave optional values out
            axes.plot(*zip(*points, strict=True), style, label=title, color=f"C{index + (2 if style != '-' else 0)}")
    side, corner = ("lower left", (0, 1)) if style == "-" else ("lower right", (1, 1))
    axes.legend(loc=side, bbox_to_anchor=corner, ncols=2, frameon=False, borderaxespad=0.2)  # above, off the curves
    if style == "-":
        axes.grid(alpha=0.3)
