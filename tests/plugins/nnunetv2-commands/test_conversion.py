"""Datasets of other layouts, into nnUNet_raw."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK

from nnplug.errors import NnplugError
from nnplug_nnunetv2_commands.command import Call
from nnplug_nnunetv2_commands.conversion import convert
from nnplug_nnunetv2_commands.environment import Environment


@pytest.fixture
def task(tmp_path):
    """A task of the Decathlon with two cases."""
    folder = tmp_path / "Task05_Prostate"
    rng = np.random.default_rng(0)
    for case in ("p_01", "p_02"):
        image = rng.normal(size=(8, 9, 10)).astype(np.float32)
        for part, array in (("imagesTr", image), ("labelsTr", (image > 0).astype(np.uint8))):
            (folder / part).mkdir(parents=True, exist_ok=True)
            SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(folder / part / f"{case}.nii.gz"))
    training = [{"image": f"./imagesTr/{c}.nii.gz", "label": f"./labelsTr/{c}.nii.gz"} for c in ("p_01", "p_02")]
    data = {"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "a"}, "training": training, "test": []}
    (folder / "dataset.json").write_text(json.dumps({**data, "numTraining": 2, "numTest": 0, "name": "P"}))
    return folder


def test_a_task_of_the_decathlon(prepared, task, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    done = prepared.expect("nnUNetv2_convert_MSD_dataset", "-i", task, "-np", 1, nnUNet_raw=str(raw))
    assert done.stdout.strip() == str(raw / "Dataset005_Prostate")
    assert (raw / "Dataset005_Prostate" / "imagesTr" / "p_01_0000.nii.gz").is_file()
    prepared.expect("nnUNetv2_convert_MSD_dataset", "-i", task, "-overwrite_id", 44, nnUNet_raw=str(raw))
    assert (raw / "Dataset044_Prostate" / "dataset.json").is_file()
    again = prepared.run("nnUNetv2_convert_MSD_dataset", "-i", task, nnUNet_raw=str(raw))
    assert again.returncode == 1
    assert "has that number; choose another" in again.stderr
    other = prepared.run("nnUNetv2_convert_MSD_dataset", "-i", raw, nnUNet_raw=str(raw))
    assert "no task of the Decathlon; its folder is called TaskXX_NAME" in other.stderr


def test_a_name_that_nnunet_would_not_take_is_told(task, tmp_path):
    call = Call(environment=Environment({"nnUNet_raw": str(tmp_path)}))
    with pytest.raises(NnplugError, match="Prostate: expected DatasetXXX_NAME"):
        convert(call, "nnunet-v1", task, "Prostate")
