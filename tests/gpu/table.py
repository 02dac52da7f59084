"""Print the tables of counts in docs/gpu.md: `python tests/gpu/table.py`; it takes some minutes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TRAINING = ("hippocampus", "brats", "brats-regions", "105-classes")
PREDICTION = ("hippocampus", "brats", "105-classes")
FREE = "60,60"
"""GB of free memory for each of two images; the second is printed."""


def training_row(counts: Mapping[str, Any]) -> str:
    """Return the row of a training step."""
    phases = counts["phases"]
    others = sum(count for phase, count in phases.items() if phase != "augment")
    copied, peak = counts["copied"] / 1e9, counts["peak"] / 2**30
    cells = (counts["scene"], phases["loss"], others, sum(counts["waits"].values()), f"{copied:.2f}", f"{peak:.1f}")
    return f"| {' | '.join(map(str, cells))} |"


def prediction_row(counts: Mapping[str, Any]) -> str:
    """Return the row of the prediction of an image."""
    cells = (counts["scene"], counts["dispatches"], sum(counts["waits"].values()), f"{counts['peak'] / 2**30:.1f}")
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Count and print."""
    with tempfile.TemporaryDirectory() as folder:
        library = _output("pretended.py", folder).strip()
        for name in TRAINING:
            sys.stdout.write(training_row(json.loads(_output("train.py", library, name).splitlines()[0])) + "\n")
        for name in PREDICTION:
            sys.stdout.write(
                prediction_row(json.loads(_output("predict.py", library, f"{name}:{FREE}").splitlines()[-1])) + "\n"
            )


def _output(script: str, *words: str) -> str:
    command = [sys.executable, str(HERE / script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
