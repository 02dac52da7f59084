"""A run's curves as a picture: losses, Dice, learning rate and seconds per epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nnplug.runtime.files import atomic_file


def read_log(path: Path) -> list[dict[str, Any]]:
    """The epochs of a `log.jsonl`; a last line cut short by a kill is left out."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]


def draw_curves(log: Path, picture: Path) -> None:
    """Draw `progress.png` from `log.jsonl`; needs no screen. Does nothing before the first epoch."""
    from matplotlib.figure import Figure

    epochs = read_log(log)
    if not epochs:
        return
    figure = Figure(figsize=(9, 10))  # a layout that measures its texts would take as long as all the rest
    losses, seconds, rate = figure.subplots(3, 1, sharex=True)
    figure.subplots_adjust(left=0.08, right=0.92, bottom=0.06, top=0.96, hspace=0.16)
    _lines(losses, epochs, {"train_loss": "training loss", "val_loss": "validation loss"})
    dice = losses.twinx()
    _lines(dice, epochs, {"mean_dice": "pseudo Dice", "smoothed_dice": "pseudo Dice, smoothed"}, style="--")
    dice.set_ylim(0, 1)
    _lines(seconds, epochs, {"seconds": "seconds per epoch", "wait_seconds": "of these waiting for data"})
    _lines(rate, epochs, {"lr": "learning rate"})
    rate.set_xlabel("epoch")
    with atomic_file(picture) as temporary:
        figure.savefig(temporary, dpi=100)


def _lines(axes: Any, epochs: list[dict[str, Any]], names: dict[str, str], style: str = "-") -> None:
    for index, (key, title) in enumerate(names.items()):
        points = [(e["epoch"], e[key]) for e in epochs if e.get(key) is not None]
        axes.plot(*zip(*points, strict=True), style, label=title, color=f"C{index + (2 if style != '-' else 0)}")
    side, corner = ("lower left", (0, 1)) if style == "-" else ("lower right", (1, 1))
    axes.legend(loc=side, bbox_to_anchor=corner, ncols=2, frameon=False, borderaxespad=0.2)  # above, off the curves
    if style == "-":
        axes.grid(alpha=0.3)
