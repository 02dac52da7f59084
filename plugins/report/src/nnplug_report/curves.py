"""Draw the course of trainings: losses, pseudo Dice, learning rate and seconds per epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from nnplug.contracts import LogLine, read_log
from nnplug.dataset.description import DatasetDescription
from nnplug.workspace.runs import TrainedRun
from nnplug_report.charts import Axis, Line, line_chart

_MOST_CLASSES = 8

Figure = Callable[[LogLine], float | None]


@dataclass(frozen=True)
class Chart:
    """A chart with its heading."""

    title: str
    picture: Markup


@dataclass(frozen=True)
class Training:
    """The log of one fold: its name, the names of its classes, and the lines."""

    name: str
    classes: tuple[str, ...]
    lines: tuple[LogLine, ...]


def read_training(run: TrainedRun) -> Training:
    """Return the log of a run; it has no lines if the training has not finished an epoch.

    Raises:
        InvalidFile: the log or `dataset.json` cannot be read.
    """
    description = run.folder.description
    classes = DatasetDescription.read(description).labels.by_output.foreground_names if description.is_file() else ()
    return Training(f"fold {run.fold}", tuple(classes), tuple(read_log(run.folder.log)))


def draw_curves(trainings: Sequence[Training]) -> tuple[Chart, ...]:
    """Return the charts of the folds of one configuration; charts without values are left out."""
    loss = {"training loss": lambda line: line.train_loss, "validation loss": lambda line: line.val_loss}
    dice = {"mean of the epoch": lambda line: line.mean_dice, "smoothed": lambda line: line.smoothed_dice}
    epochs = Axis("epoch", whole=True)
    unit = (0.0, 1.0)
    charts = (
        Chart("Loss", _chart(trainings, loss, epochs, Axis("loss"))),
        Chart("Pseudo Dice on validation patches", _chart(trainings, dice, epochs, Axis("pseudo Dice (0 to 1)", unit))),
        Chart("Pseudo Dice per class", _per_class(trainings, epochs)),
        Chart(
            "Learning rate",
            _chart(trainings, {"learning rate": lambda line: line.learning_rate}, epochs, Axis("learning rate")),
        ),
        Chart(
            "Time",
            _chart(trainings, {"epoch": lambda line: line.seconds}, epochs, Axis("seconds per epoch", (0.0, 0.0))),
        ),
    )
    return tuple(chart for chart in charts if chart.picture)


def _chart(trainings: Sequence[Training], figures: dict[str, Figure], x: Axis, y: Axis) -> Markup:
    lines = [
        Line(name, f"{name}, {training.name}", _points(training.lines, figure))
        for name, figure in figures.items()
        for training in trainings
    ]
    kept = [line for line in lines if any(not math.isnan(value) for _, value in line.points)]
    return line_chart(kept, x, y, title=f"{', '.join(figures)} over the epochs")


def _per_class(trainings: Sequence[Training], x: Axis) -> Markup:
    """Return the chart of all classes, without one if there is a single class or too many to tell apart."""
    classes = trainings[0].classes if trainings else ()
    if not 1 < len(classes) <= _MOST_CLASSES:
        return Markup()
    figures = {name: _of_class(index) for index, name in enumerate(classes)}
    return _chart(trainings, figures, x, Axis("pseudo Dice (0 to 1)", (0.0, 1.0)))


def _of_class(index: int) -> Figure:
    return lambda line: None if line.dice is None or index >= len(line.dice) else line.dice[index]


def _points(lines: Sequence[LogLine], figure: Figure) -> tuple[tuple[float, float], ...]:
    values = [(line.epoch, figure(line)) for line in lines]
    return tuple((float(epoch), math.nan if value is None else float(value)) for epoch, value in values)
