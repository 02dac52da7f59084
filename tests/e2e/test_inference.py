"""An inference of another plugin, from planning over validation to prediction with the model that names it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_label
from nnplug_cli.main import main

ONE_LABEL = '''
    from dataclasses import dataclass
    import torch

    @dataclass(frozen=True)
    class OneLabel:
        """Every voxel gets one label; with `extra`, of one output more than there are."""
        label: int = 1
        extra: bool = False

        def passes(self, shape, context): return 1

        def logits(self, network, image, context, report):
            logits = torch.zeros(context.outputs + self.extra, *image.shape[1:])
            logits[self.label] = 1
            report()
            return logits

    @hookimpl
    def nnplug_inferences():
        yield InferenceComponent("one-label", "fake_nnplug_one:OneLabel", "a label for all")
'''
TINY = {
    "planner.base_features": 4,
    "planner.max_features": 8,
    "plan.patch_size": "[16,16,16]",
    "plan.batch_size": 2,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 1,
    "trainer.val_iterations_per_epoch": 1,
}


@pytest.fixture
def nnplug(install):
    """`nnplug(word, ..)` runs the command with the plugin `one`."""
    install("nnplug-one", "one", ONE_LABEL)

    def run(*words, code=0):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture
def dataset(tmp_path):
    return write_phantom(tmp_path / "Dataset900_Tiny", cases=5, unseen=1, shape=(20, 24, 22)).folder


@pytest.fixture
def start(nnplug, dataset, tmp_path):
    """`start("--inference", NAME, ..)` runs the first fold."""
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    where = ["-w", tmp_path / "work", "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--no-mirroring", "--json"]
    return lambda *words, **more: nnplug("run", dataset, *where, *settings, *words, **more)


def test_validation_and_the_model_use_the_inference_of_the_plans(nnplug, start, dataset, tmp_path):
    done = start("--inference", "one-label", "--set", "inference.label=2")
    bundle = json.loads(done.stdout)["bundles"]["3d_fullres"]
    fold = next((tmp_path / "work").rglob("runs/*/*/fold_0"))
    record = json.loads((fold / "run.json").read_text())
    assert ("inference", "one-label") in {(p["kind"], p["name"]) for p in record["providers"]}
    for file in (fold / "validation").glob("*.nii.gz"):
        assert np.unique(read_label(file).array).tolist() in ([2], [0, 2])  # 0 outside of what is cropped

    predict = ["predict", "-i", dataset / "imagesTs", "-m", bundle, "--device", "cpu", "--no-mirroring"]
    nnplug(*predict, "-o", tmp_path / "A")
    assert 2 in read_label(tmp_path / "A/phantom_005.nii.gz").array
    assert 1 not in read_label(tmp_path / "A/phantom_005.nii.gz").array
    nnplug(*predict, "-o", tmp_path / "B", "--set", "inference.label=1")
    assert 2 not in read_label(tmp_path / "B/phantom_005.nii.gz").array
    nnplug(*predict, "-o", tmp_path / "C", "--inference", "whole-image")

    assert "nnplug-one==1.0" in nnplug("model", "show", bundle, "--requirements").stdout
    refused = nnplug("-p", "no:one", *predict, "-o", tmp_path / "D", code=1)
    assert "needs inference 'one-label' from nnplug-one 1.0, which is blocked" in refused.stderr
    nnplug("-p", "no:one", *predict, "-o", tmp_path / "D", "--inference", "sliding-window")
    assert {file.name for file in (tmp_path / "D").glob("*.nii.gz")} == {"phantom_005.nii.gz"}

    refused = nnplug(*predict, "-o", tmp_path / "E", "--set", "inference.extra=true", code=1)
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: phantom_005: inference 'one-label' from nnplug-one 1.0 gave logits of torch.float32")


def test_a_run_of_an_older_nnplug_goes_on_with_the_same_plans(start, tmp_path):
    start("--until", "plan")
    (file,) = (tmp_path / "work").rglob("plans/*.json")
    older = json.loads(file.read_text())
    assert older["choices"].pop("inference") == {"name": "sliding-window", "options": {}}
    older["providers"] = [one for one in older["providers"] if one["kind"] != "inference"]
    file.write_text(json.dumps(older))
    start("--until", "validate")
    (record,) = [json.loads(run.read_text()) for run in (tmp_path / "work").rglob("runs/*/*/fold_0/run.json")]
    start()
    assert "inference" not in json.loads(file.read_text())["choices"]
    (again,) = [json.loads(run.read_text()) for run in (tmp_path / "work").rglob("runs/*/*/fold_0/run.json")]
    assert again["plans_digest"] == record["plans_digest"]

    refused = start("--inference", "whole-image", code=1)
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error: ")]
    assert "inference" in line
    assert "--fresh to train it again from the start" in line
