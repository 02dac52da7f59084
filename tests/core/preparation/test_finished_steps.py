"""Finished steps are stored with the files and choices that they depend on."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.preparation.finished_steps import FinishedStep
from nnplug.preparation.measure import measure_into
from nnplug.registry.loader import Plugins
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.workspace.layout import Workspace


@pytest.fixture
def dataset(write_dataset):
    ones = np.ones((6, 5, 4), np.uint8)
    return Dataset.open(write_dataset({"a": (ones[None], ones)}))


@pytest.fixture
def workspace(tmp_path, dataset):
    return Workspace(tmp_path / "w", dataset.name)


def measured(dataset, workspace, name="nnunet", **options):
    return FinishedStep.of_measurement(dataset, workspace, name, options)


def test_a_step_is_kept_beside_the_others(dataset, workspace):
    steps = [FinishedStep.of_verification(dataset, workspace), measured(dataset, workspace)]
    assert not any(step.is_kept() for step in steps)
    for step in steps:
        step.keep()
    assert all(step.is_kept() for step in steps)
    assert set(json.loads(workspace.sources.read_text())) == {"verify", "fingerprint"}


def test_another_file_extractor_or_option_is_another_step(dataset, workspace):
    measured(dataset, workspace).keep()
    assert measured(dataset, workspace).is_kept()
    assert not measured(dataset, workspace, "other").is_kept()
    assert not measured(dataset, workspace, voxels=5).is_kept()
    os.utime(dataset.folder / "labelsTr" / "a.nii.gz", (0, 0))
    assert not measured(dataset, workspace).is_kept()


def test_an_equal_fingerprint_is_not_written_again(dataset, workspace):
    """Plans that are older than the fingerprint are made anew, without what was set for them."""
    runtime = Runtime(Plugins(), LocalExecutor(), "cpu")
    first = measure_into(workspace, dataset, "nnunet", None, runtime)
    os.utime(workspace.fingerprint, (0, 0))
    assert measure_into(workspace, dataset, "nnunet", None, runtime) == first
    assert workspace.fingerprint.stat().st_mtime == 0
    workspace.fingerprint.write_text("damaged")
    assert measure_into(workspace, dataset, "nnunet", None, runtime) == first
    assert measured(dataset, workspace).is_kept()
