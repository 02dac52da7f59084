"""The course of a training has the figures of each class under its name."""

from __future__ import annotations

import json
import shutil

from nnplug.workspace.runs import open_run
from nnplug_report.curves import read_training


def test_classes_have_the_order_of_the_outputs_whatever_that_of_dataset_json(workspace, tmp_path):
    """The pseudo Dice in the log is in the order of the outputs: classes by their values."""
    (fold,) = workspace.glob("runs/*/*/fold_0")
    shutil.copytree(fold.parent, tmp_path / "2d")
    run = open_run(tmp_path / "2d" / "fold_0")
    raw = json.loads(run.folder.description.read_text())
    run.folder.description.write_text(json.dumps({**raw, "labels": dict(reversed(raw["labels"].items()))}))
    assert list(json.loads(run.folder.description.read_text())["labels"]) == ["cap", "body", "background"]
    assert read_training(run).classes == ("body", "cap")
