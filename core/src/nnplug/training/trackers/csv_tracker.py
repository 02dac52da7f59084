"""The tracker `csv`: a table of the epochs and a table of the parameters, for spreadsheets and R."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnplug.contracts import LogLine, TrackedRun, Tracker, epoch_figures
from nnplug.runtime.files import atomic_file, write_text

EPOCHS, PARAMETERS = "epochs.csv", "parameters.csv"


@dataclass
class CsvTracker(Tracker):
    """Write `epochs.csv` (a row per epoch) and `parameters.csv` (a row per parameter).

    Attributes:
        folder: the folder of all trainings, in which each has a folder DATASET/PLANS/CONFIGURATION/fold_K with
            `progress.png` too; None for the run's own folder.
    """

    folder: Path | None = None

    def __post_init__(self) -> None:
        """Prepare for the training that `begin` names."""
        self._file = Path(EPOCHS)
        self._classes: tuple[str, ...] = ()

    def begin(self, run: TrackedRun) -> int:
        """Write the parameters and return the number of whole rows of `epochs.csv` from this training."""
        target = run.folder if self.folder is None else self.folder / run.name
        target.mkdir(parents=True, exist_ok=True)
        self._file, self._classes = target / EPOCHS, run.classes
        known = _read_id(target / PARAMETERS) == run.id
        write_text(target / PARAMETERS, _table([("name", "value"), ("id", run.id), *_rows(run.parameters)]))
        rows = self._file.read_text(encoding="utf-8").split("\n")[:-1] if known and self._file.exists() else []
        write_text(self._file, "".join(f"{row}\n" for row in rows or [_row(self._columns())]))  # no row that a kill cut
        return max(len(rows) - 1, 0)

    def log_epoch(self, line: LogLine) -> None:
        """Append a row; a figure that is missing is an empty field."""
        values: dict[str, Any] = {"epoch": line.epoch, **epoch_figures(line, self._classes)}
        with self._file.open("a", encoding="utf-8") as table:
            table.write(_row([values.get(name, "") for name in self._columns()]) + "\n")
            table.flush()
            os.fsync(table.fileno())

    def log_picture(self, name: str, path: Path) -> None:
        """Copy the picture, unless it lies in the same folder."""
        if self.folder is not None:
            with atomic_file(self._file.with_name(f"{name}{path.suffix}")) as temporary:
                shutil.copyfile(path, temporary)

    def log_model(self, folder: Path) -> None:
        """Do nothing: the model stays in the run's folder."""

    def end(self, *, finished: bool) -> None:
        """Do nothing: every row is on the disk."""

    def _columns(self) -> list[str]:
        # a line with all fields gives every name, so that the columns are the same for each trainer
        full = LogLine(
            epoch=0,
            learning_rate=0,
            train_loss=0,
            val_loss=0,
            dice=(0,) * len(self._classes),
            mean_dice=0,
            smoothed_dice=0,
            seconds=0,
            wait_seconds=0,
        )
        return ["epoch", *epoch_figures(full, self._classes)]


def _read_id(path: Path) -> str | None:
    """Return the id of the training in a `parameters.csv`; None without one."""
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as table:
        return next((row[1] for row in csv.reader(table) if row[:1] == ["id"] and len(row) == 2), None)


def _rows(parameters: Any) -> Iterable[tuple[str, str]]:
    for name, value in parameters.items():
        yield name, value if isinstance(value, str) else json.dumps(value)


def _row(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


def _table(rows: Iterable[Iterable[Any]]) -> str:
    return "".join(f"{_row(row)}\n" for row in rows)
