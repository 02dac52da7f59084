"""Which images of an output folder are predicted, and what their predictions depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnplug.dataset.dataset import CaseFiles
from nnplug.runtime.files import explained

LOG = "predictions.jsonl"
"""In the output folder: a line per finished case with what its prediction depends on."""


def read(output: Path) -> Mapping[str, str]:
    """By case what its prediction depends on; the last line of a case counts."""
    path = output / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return dict(entry for line in lines if (entry := _entry(line)) is not None)


def note(output: Path, case: CaseFiles, *, depends_on: str) -> None:
    """Append a line, whoever else does."""
    path = output / LOG
    with explained(path), path.open("a", encoding="utf-8") as log:
        log.write(json.dumps({"case": case.name, "depends_on": depends_on}) + "\n")


def forget(output: Path, cases: Sequence[CaseFiles]) -> None:
    """Have cases predicted again by calls that resume; label maps of earlier calls stay until then."""
    if (output / LOG).is_file():
        for case in cases:
            note(output, case, depends_on="")


def _entry(line: str) -> tuple[str, str] | None:
    """A line of the log; one that a kill cut short does not count."""
    try:
        entry = json.loads(line)
        return str(entry["case"]), str(entry["depends_on"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return None
