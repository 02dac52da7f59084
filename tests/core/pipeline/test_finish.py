"""A run selects, and fits postprocessing, only on cases that no network has learnt from."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.pipeline import finish
from nnplug.preparation.make_splits import ensure_splits
from nnplug.runtime.progress import Silent
from nnplug.workspace.layout import Workspace


class Warnings(Silent):
    def __init__(self):
        self.lines = []

    def warning(self, message):
        self.lines.append(message)


@pytest.mark.parametrize(
    ("cases", "folds", "selected"),
    [
        ("a", None, False),
        ("ab", None, True),
        ("ab", [{"train": ["a", "b"], "val": ["a", "b"]}], False),
        ("ab", [{"train": ["a"], "val": ["b"]}], True),
    ],
)
def test_folds_that_validate_on_training_cases_select_nothing(
    cases, folds, selected, write_dataset, tmp_path, monkeypatch
):
    images = {case: (np.ones((1, 3, 4, 5), np.float32), np.ones((3, 4, 5), np.uint8)) for case in cases}
    dataset = Dataset.open(write_dataset(images))
    space = Workspace(tmp_path / "work", dataset.name)
    if folds is not None:
        space.splits.parent.mkdir(parents=True)
        space.splits.write_text(json.dumps(folds))
    progress = Warnings()
    count = len(ensure_splits(dataset, space, progress=progress))
    jobs = [SimpleNamespace(configuration="3d", fold=fold, plans=None) for fold in range(count)]
    monkeypatch.setattr(finish, "asked_configurations", lambda *_: ("3d",))
    assert finish.is_selected(SimpleNamespace(dataset=dataset, workspace=space), jobs) is selected
    assert any("fold 0 is validated on the case that it learns from" in line for line in progress.lines) is (
        cases == "a"
    )
