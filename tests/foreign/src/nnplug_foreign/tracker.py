"""A tracker that writes lines of text, and keeps no count of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnplug.contracts import LogLine, TrackedRun, Tracker


@dataclass
class Diary(Tracker):
    """Appends a line for whatever it gets to FOLDER/ID.txt.

    Attributes:
        folder: the folder of the diaries; None for the run's own.
    """

    folder: Path | None = None

    def __post_init__(self) -> None:
        """Prepare for the training that `begin` names."""
        self.file = Path("diary.txt")

    def begin(self, run: TrackedRun) -> int:
        """Begin a page."""
        self.file = (self.folder or run.folder) / f"{run.id}.txt"
        self._write(f"begin {run.name} after {run.sent}, trained by {run.parameters['trainer']}")
        return run.sent

    def log_epoch(self, line: LogLine) -> None:
        """Write the epoch's number and loss."""
        self._write(f"epoch {line.epoch}: {line.train_loss}")

    def log_picture(self, name: str, path: Path) -> None:
        """Write the picture's size."""
        self._write(f"picture {name}: {path.stat().st_size} bytes")

    def log_model(self, folder: Path) -> None:
        """Write the files of the model."""
        self._write(f"model: {' '.join(sorted(file.name for file in folder.glob('*.safetensors')))}")

    def end(self, *, finished: bool) -> None:
        """End the page."""
        self._write("finished" if finished else "stopped")

    def _write(self, line: str) -> None:
        with self.file.open("a", encoding="utf-8") as diary:
            diary.write(f"{line}\n")
