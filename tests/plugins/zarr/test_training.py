"""A dataset of OME-Zarr images and label maps is verified, trained, validated and made a model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.io.geometry import Geometry
from nnplug.io.images import write_image, write_label
from nnplug_cli.main import main

SHAPE = (20, 24, 22)
PLACE = Geometry(SHAPE, (1.0,) * 3, (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel().tolist()))
SHORT = ("trainer.epochs=1", "trainer.iterations_per_epoch=2", "trainer.val_iterations_per_epoch=1")
SMALL = ("plan.patch_size=[16,16,16]", "planner.base_features=4", "planner.max_features=8")


@pytest.mark.slow
def test_folders_are_images_in_every_step(readers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dataset = Path("Dataset777_Zarr")
    for seed, name in enumerate("abcd"):
        labels = np.zeros(SHAPE, np.int16)
        labels[5:15, 6:14, 6 + seed : 14], labels[8:11, 8:11, 10:12] = 1, 2
        voxels = labels * 100 + np.random.default_rng(seed).normal(0, 10, SHAPE)
        write_image(dataset / "imagesTr" / f"{name}_0000.ome.zarr", voxels.astype(np.float32), PLACE, readers)
        write_label(dataset / "labelsTr" / f"{name}.ome.zarr", labels, PLACE, readers)
    raw = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1, "b": 2}, "numTraining": 4}
    (dataset / "dataset.json").write_text(json.dumps({**raw, "file_ending": ".ome.zarr"}))
    words = ["run", str(dataset), "-w", "work", "-c", "3d_fullres", "-f", "0", "--no-mirroring", "--device", "cpu"]
    for option in (*SHORT, *SMALL):
        words += ["--set", option]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    (summary,) = Path("work").rglob("validation/summary.json")
    assert json.loads(summary.read_text())["foreground_mean"]["Dice"] >= 0
    assert list(summary.parent.glob("*.ome.zarr"))
    model = "work/Dataset777_Zarr/model/nnunet_3d_fullres"
    words = ["predict", "-i", str(dataset / "imagesTr"), "-o", "out", "-m", model, "--no-mirroring", "--device", "cpu"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(main, ["evaluate", "-r", str(dataset / "labelsTr"), "-p", "out", "-o", "scores.json"])
    assert done.exit_code == 0, done.output
    assert len(json.loads(Path("scores.json").read_text())["metric_per_case"]) == 4
