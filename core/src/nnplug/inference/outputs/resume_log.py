"""The log of finished predictions in an output folder, with a digest of everything that each depends on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.runtime.files import explained
from nnplug.runtime.json_text import parse_json
from nnplug.runtime.output_log import append_line

LOG = "predictions.jsonl"
"""The file in the output folder with a line per finished case."""
_START = '{"case": "'


def read(output: Path) -> Mapping[str, str]:
    """Return case -> digest of everything that its prediction depends on, from the last line of the case."""
    path = output / LOG
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    return dict(entry for line in lines if (entry := _entry(line)) is not None)


def is_there(output: Path) -> bool:
    """Return whether the file of that name is such a log; one whose only line was cut short by a full disk is, too."""
    text = (output / LOG).read_text(encoding="utf-8", errors="replace")
    is_cut_short = "\n" not in text and text[: len(_START)] == _START[: len(text)]
    return bool(read(output)) or is_cut_short


def note(output: Path, case: CaseFiles, *, depends_on: str) -> None:
    """Append a line for a finished case. Several processes may append to one log."""
    path = output / LOG
    with explained(path):
        append_line(path, json.dumps({"case": case.name, "depends_on": depends_on}))


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
