"""The tracker `tensorboard`: event files in the run's folder, or in a folder of all trainings."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnplug.contracts import LogLine, TrackedRun, Tracker, epoch_figures
from nnplug_trackers.libraries import require_library

if TYPE_CHECKING:
    from nnplug_trackers.event_files import EventFile


@dataclass
class TensorBoardTracker(Tracker):
    """Write figures as scalars, parameters as hyperparameters and a table, pictures, and the model's path as text.

    Attributes:
        folder: the folder of all trainings, in which each has a folder DATASET/PLANS/CONFIGURATION/fold_K/ID; None for
            the run's own folder.
    """

    folder: Path | None = None

    def __post_init__(self) -> None:
        """Check that tensorboardX is installed.

        Raises:
            NnplugError: it is not.
        """
        require_library("tensorboardX", "tensorboard")
        self._classes: tuple[str, ...] = ()
        self._epochs = 0
        self._file: EventFile | None = None

    def begin(self, run: TrackedRun) -> int:
        """Begin an event file, write the parameters to the first one, and return the number of epochs in all."""
        from nnplug_trackers.event_files import EventFile, count_epochs

        # a training that starts anew has another id: its steps are not mixed with those of the earlier one
        target = run.folder if self.folder is None else self.folder / run.name / run.id
        self._epochs, self._classes = count_epochs(target, run.id), run.classes
        self._file = EventFile(target, run.id)
        if not self._epochs:
            self._add_parameters(run.parameters)
        return self._epochs

    def log_epoch(self, line: LogLine) -> None:
        """Append the figures of an epoch; its step is the epoch."""
        self._opened.add_scalars(epoch_figures(line, self._classes), line.epoch)
        self._epochs = line.epoch + 1

    def log_picture(self, name: str, path: Path) -> None:
        """Append a picture as it is in its file, a PNG."""
        from tensorboardX.proto.summary_pb2 import Summary

        content = path.read_bytes()
        width, height = struct.unpack(">II", content[16:24])  # of the chunk IHDR, which is the first
        image = Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=content)
        self._opened.add(Summary(value=[Summary.Value(tag=name, image=image)]), self._epochs)

    def log_model(self, folder: Path) -> None:
        """Append the path of the model as text."""
        self._add_text("model", str(folder.absolute()), self._epochs)

    def end(self, *, finished: bool) -> None:  # noqa: ARG002 - the files are the same
        """Close the event file."""
        self._opened.close()

    @property
    def _opened(self) -> EventFile:
        if self._file is None:
            raise RuntimeError("begin comes first")
        return self._file

    def _add_parameters(self, parameters: Mapping[str, Any]) -> None:
        from tensorboardX.summary import hparams

        values = {
            name: value if isinstance(value, bool | int | float) else _text(value) for name, value in parameters.items()
        }
        experiment, start, _ = hparams(values, {"train_loss": None, "val_loss": None, "mean_dice": None})
        self._opened.add(experiment)
        self._opened.add(start)
        rows = "".join(f"| {name} | {_text(value)} |\n" for name, value in parameters.items())
        self._add_text("parameters", f"| name | value |\n|---|---|\n{rows}", 0)

    def _add_text(self, tag: str, text: str, step: int) -> None:
        from tensorboardX.summary import text as summary_of

        self._opened.add(summary_of(tag, text), step)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
