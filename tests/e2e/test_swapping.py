"""A single component put in another's place on the command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from nnplug.data.phantom import write_phantom
from nnplug_cli.main import main

FLAT = """
    from nnplug_nnunet.architectures import PlainConvUNet

    class Flat(PlainConvUNet):
        def build(self, *, channels, outputs):
            network = super().build(channels=channels, outputs=outputs)
            forward = network.forward
            network.forward = lambda x: y[0] if isinstance(y := forward(x), (list, tuple)) else y
            return network

    @hookimpl
    def nnplug_architectures():
        return [Component("flat", "fake_nnplug_flat:Flat", "logits at one resolution")]
"""
TINY = {
    "planner.base_features": 4,
    "planner.max_features": 8,
    "plan.patch_size": "[16,16,16]",
    "plan.batch_size": 2,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 2,
    "trainer.val_iterations_per_epoch": 1,
}


@pytest.fixture
def run(tmp_path):
    dataset = write_phantom(tmp_path / "Dataset900_Tiny", cases=5, unseen=0, shape=(24, 24, 24)).folder

    def run(*words, until="train"):
        settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
        where = ["-w", str(tmp_path / "work"), "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--until", until]
        return CliRunner().invoke(main, ["run", str(dataset), *where, *settings, *words])

    return run


def test_a_network_without_deep_supervision_is_trained_without_it_and_that_is_said(install, run, tmp_path):
    install("nnplug-flat", "flat", FLAT)
    done = run("--architecture", "flat")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.count("the network gives logits at one resolution; it is trained without deep supervision") == 1
    plans = json.loads((tmp_path / "work/Dataset900_Tiny/plans/nnunet.json").read_text())
    assert plans["configurations"]["3d_fullres"]["architecture"]["name"] == "flat"
    assert "nnplug-flat" in {provider["distribution"] for provider in plans["providers"]}


def test_each_swap_is_written_into_the_plans(run, tmp_path):
    done = run("--augmenter", "brats", "--postprocessor", "brats-enhancing", "--planner", "brats", until="plan")
    assert done.exit_code == 0, done.stderr
    plans = json.loads(next((tmp_path / "work/Dataset900_Tiny/plans").glob("*.json")).read_text())
    chosen = {kind: choice["name"] for kind, choice in plans["choices"].items()}
    assert (chosen["augmenter"], chosen["postprocessor"], chosen["planner"]) == ("brats", "brats-enhancing", "brats")


def test_a_piece_that_does_not_fit_is_refused_with_the_reason(run, tmp_path):
    done = run("--architecture", "residual-encoder-unet", "--set", "plan.patch_size=[15,16,16]", until="plan")
    assert done.exit_code == 1
    assert "3d_fullres: patch size 15 x 16 x 16 does not fit the network: it needs multiples of" in done.stderr
    assert not (tmp_path / "work/Dataset900_Tiny/plans").exists()
