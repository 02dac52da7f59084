"""A cascade as nnU-Net's users train it: every fold of the first stage, then the second, then one prediction."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnplug.io.images import read_label

FOLDS = range(5)


@pytest.fixture(scope="module")
def cascade(prepared):
    """Two stages by hand, and the first of them trained but for its last fold."""
    plans = prepared.preprocessed / "nnUNetPlans.json"
    data = json.loads(plans.read_text())
    data["configurations"]["tiny_low"] = {"inherits_from": "tiny", "next_stage": "tiny_high"}
    data["configurations"]["tiny_high"] = {"inherits_from": "tiny", "previous_stage": "tiny_low"}
    plans.write_text(json.dumps(data))
    for fold in FOLDS[:-1]:
        prepared.expect("nnUNetv2_train", 999, "tiny_low", fold, "-tr", "short", "-device", "cpu")
    return prepared


@pytest.mark.slow
def test_the_second_stage_waits_for_all_folds_of_the_first_and_then_refines_them(cascade, tmp_path):
    words = ("-tr", "short", "-device", "cpu")
    early = cascade.run("nnUNetv2_train", 999, "tiny_high", 0, *words)
    assert early.returncode == 1
    assert "Run: nnUNetv2_train Dataset999_Phantom tiny_low 4 -tr short -p nnUNetPlans" in early.stderr
    cascade.expect("nnUNetv2_train", 999, "tiny_low", 4, *words)
    cascade.expect("nnUNetv2_train", 999, "tiny_high", 0, *words)
    flags = ("-d", 999, "-c", "tiny_high", "-f", 0, "--disable_tta", *words)
    cascade.expect("nnUNetv2_predict", "-i", cascade.raw / "imagesTs", "-o", tmp_path / "out", *flags)
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 3

    low = ("-d", 999, "-c", "tiny_low", "--disable_tta", *words)
    cascade.expect("nnUNetv2_predict", "-i", cascade.raw / "imagesTs", "-o", tmp_path / "low", *low)
    given = (*flags, "-prev_stage_predictions", tmp_path / "low")
    cascade.expect("nnUNetv2_predict", "-i", cascade.raw / "imagesTs", "-o", tmp_path / "two", *given)
    for file in (tmp_path / "out").glob("*.nii.gz"):  # as nnU-Net's scripts predict, stage by stage
        assert np.array_equal(read_label(file).array, read_label(tmp_path / "two" / file.name).array)
    (tmp_path / "low" / file.name).unlink()
    missing = cascade.run("nnUNetv2_predict", "-i", cascade.raw / "imagesTs", "-o", tmp_path / "three", *given)
    assert missing.returncode == 1
    assert f"{tmp_path / 'low' / file.name}" in missing.stderr
