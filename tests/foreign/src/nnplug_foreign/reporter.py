"""A reporter that writes a plain text."""

from __future__ import annotations

from pathlib import Path

from nnplug.contracts import FinishedRun, Reporter, read_log
from nnplug.registry.runtime import Runtime
from nnplug.runtime.files import write_text


class Notes(Reporter):
    """Writes a line per fold: its name and the number of its epochs."""

    def report(self, run: FinishedRun, runtime: Runtime) -> Path:
        """Write `notes.txt`."""
        epochs = {folder: len(read_log(folder / "log.jsonl")) for folder in run.runs}
        told = [f"{folder.parent.name} {folder.name}: {count} epochs" for folder, count in epochs.items()]
        write_text(run.folder / "notes.txt", "\n".join(told) + "\n")
        return run.folder / "notes.txt"
