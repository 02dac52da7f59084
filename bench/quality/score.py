"""One scorer for both sides: `nnplug evaluate` on whole images."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from harness.session import NNPLUG, run_commands

from quality.datasets import Part, Prepared
from quality.place import Place
from quality.records import Scores
from quality.side import side_of
from quality.trainings import Training

_DIGITS = 6


def score(training: Training, prepared: Prepared, place: Place, point: int, part: Part) -> Scores:
    """Predict the images of a part with the weights of a point, and score them.

    Raises:
        Died: a command failed.
    """
    with tempfile.TemporaryDirectory(dir=place.folder, prefix="predictions-") as folder:
        output, summary = Path(folder) / "labels", Path(folder) / "summary.json"
        side_of(training).predict(training, prepared, place, point, part, output)
        labels, description = str(prepared.labels(part)), str(prepared.raw / "dataset.json")
        files = ["-r", labels, "-p", str(output), "--dataset-json", description, "-o", str(summary)]
        run_commands([[NNPLUG, "evaluate", *files]])
        return scores_of(json.loads(summary.read_text()))


def scores_of(summary: Mapping[str, Any]) -> Scores:
    """Return the Dice of a summary in nnU-Net's layout."""
    cases = {}
    for case in summary["metric_per_case"]:
        values = [figures["Dice"] for figures in case["metrics"].values() if figures["Dice"] is not None]
        if values:
            cases[Path(case["reference_file"]).name.split(".")[0]] = round(fmean(values), _DIGITS)
    return Scores(mean=round(summary["foreground_mean"]["Dice"], _DIGITS), cases=cases)
