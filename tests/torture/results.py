"""The results of campaigns: a JSON line per trial while one goes on, and a small file with its table at the end."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
SCRATCH = ROOT / "torture"
"""The default folder for lines and failing inputs; git ignores it."""


@dataclass(frozen=True)
class Kept:
    """The table of a campaign.

    Attributes:
        command: the command line that repeats it.
        date: of the last trial, YYYY-MM-DD.
        machine: processor, cores and memory in words.
        commit: the commit of nnplug.
        columns: the heads of the table.
        rows: its cells, as text.
        notes: sentences below the table.
    """

    command: str
    date: str
    machine: str
    commit: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


class Lines:
    """The lines of a campaign: one JSON object per trial, appended as soon as the trial ends."""

    def __init__(self, path: Path) -> None:
        """Read what earlier starts wrote; `past` has it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        text = path.read_text() if path.exists() else ""
        self.past: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]

    def add(self, trial: Mapping[str, Any]) -> None:
        """Append a trial, and print it."""
        line = json.dumps(trial)
        with self._path.open("a") as file:
            file.write(line + "\n")
        print(line, flush=True)
        self.past.append(dict(trial))


def keep(name: str, command: str, table: tuple[Sequence[str], Sequence[Sequence[str]]], *notes: str) -> Path:
    """Write the table of a campaign (heads and rows) where `page` finds it; gives the file."""
    columns, rows = table
    today = datetime.now(UTC).date().isoformat()
    kept = Kept(command, today, machine(), commit(), columns, rows, notes)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(asdict(kept), indent=1) + "\n")
    return path


def load(name: str) -> Kept | None:
    """Return the table of a campaign; None if it was not measured yet."""
    path = RESULTS / f"{name}.json"
    return Kept(**json.loads(path.read_text())) if path.exists() else None


def machine() -> str:
    """Return processor, cores and memory in words."""
    from nnplug.runtime.machine import inspect_machine

    found = inspect_machine(ROOT)
    return f"{found.processor}, {found.cores} cores, {found.memory.total / 1e9:.0f} GB, {found.system}"


def commit() -> str:
    """Return the short hash of the checkout, with "-dirty" if sources differ from it; "" without git."""
    words = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
