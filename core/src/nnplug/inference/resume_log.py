"""The log of finished predictions in an output folder, with a digest of everything that each depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnplug.dataset.dataset import CaseFiles
from nnplug.runtime.files import explained
from nnplug.runtime.json_text import parse_json

LOG = "predictions.jsonl"
"""The file in the output folder with a line per finished case."""


def read(output: Path) -> Mapping[str, str]:
    """Return case -> digest of everything that its prediction depends on, from the last line of the case."""
    path = output / LOG
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return dict(entry for line in lines if (entry := _entry(line)) is not None)


def note(output: Path, case: CaseFiles, *, depends_on: str) -> None:
    """Append a line for a finished case. Several processes may append to one log."""
    path = output / LOG
    with explained(path), path.open("a", encoding="utf-8") as log:
        log.write(json.dumps({"case": case.name, "depends_on": depends_on}) + "\n")


def forget(output: Path, cases: Sequence[CaseFiles]) -> None:
    """Mark cases as unfinished, so that a call that resumes predicts them again. Their label maps stay until then."""
    if (output / LOG).is_file():
        for case in cases:
            note(output, case, depends_on="")


def _entry(line: str) -> tuple[str, str] | None:
    """Return the case and digest in a line, or None for a line that a kill cut short."""
    try:
        entry = parse_json(line)
        return str(entry["case"]), str(entry["depends_on"])
    except (KeyError, TypeError, ValueError):
        return None
