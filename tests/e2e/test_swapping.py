"""A single component put in another's place on the command line."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from nnplug.contracts import read_log
from nnplug.dataset.phantom import write_phantom
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
        return [ArchitectureComponent("flat", "fake_nnplug_flat:Flat", "logits at one resolution", takes_topology=True)]
"""
HASTY = """
    from nnplug_nnunet.training.trainer import NnUNetTrainer

    class Hasty(NnUNetTrainer):
        def train(self, task):
            task.progress.notice("hasty trains")
            super().train(task)

    @hookimpl
    def nnplug_trainers():
        return [TrainerComponent("hasty", "fake_nnplug_hasty:Hasty", "says so")]
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
    assert (
        done.stderr.count("the network returns logits at one resolution; it is trained without deep supervision") == 1
    )
    plans = json.loads((tmp_path / "work/Dataset900_Tiny/plans/nnunet.json").read_text())
    assert plans["configurations"]["3d_fullres"]["architecture"]["name"] == "flat"
    assert "nnplug-flat" in {provider["distribution"] for provider in plans["providers"]}


def planned(tmp_path, name="nnunet"):
    return json.loads((tmp_path / f"work/Dataset900_Tiny/plans/{name}.json").read_text())


@pytest.mark.parametrize(
    ("kind", "name", "distribution"),
    [
        ("planner", "brats", "nnplug-brats"),
        ("architecture", "residual-encoder-unet", "nnplug-nnunet"),
        ("augmenter", "brats", "nnplug-brats"),
        ("loss", "dice-topk", "nnplug-nnunet"),
        ("sampler", "class-balanced", "nnplug-nnunet"),
        ("trainer", "hasty", "nnplug-hasty"),
        ("inference", "whole-image", "nnplug-core"),
        ("postprocessor", "brats-enhancing", "nnplug-brats"),
    ],
)
def test_a_single_swap_is_written_into_the_plans_and_nothing_else_changes(
    install, run, tmp_path, kind, name, distribution
):
    install("nnplug-hasty", "hasty", HASTY)
    assert run("--name", "usual", until="plan").exit_code == 0
    done = run(f"--{kind}", name, "--name", "swapped", until="plan")
    assert done.exit_code == 0, done.stderr
    usual, swapped = planned(tmp_path, "usual"), planned(tmp_path, "swapped")
    chosen = {k: choice["name"] for k, choice in swapped["choices"].items()}
    before = {k: choice["name"] for k, choice in usual["choices"].items()}
    if kind == "architecture":
        assert swapped["configurations"]["3d_fullres"]["architecture"]["name"] == name
        assert chosen == before
    else:
        assert chosen == {**before, kind: name}
    provider = next(p for p in swapped["providers"] if (p["kind"], p["name"]) == (kind, name))
    assert provider["distribution"] == distribution


def test_what_was_swapped_is_what_trains_and_the_run_records_it(install, run, tmp_path):
    install("nnplug-hasty", "hasty", HASTY)
    done = run("--trainer", "hasty", "--augmenter", "brats", "--architecture", "residual-encoder-unet")
    assert done.exit_code == 0, done.stderr
    assert "hasty trains" in done.stderr
    record = json.loads(next((tmp_path / "work").rglob("fold_0/run.json")).read_text())
    used = {(p["kind"], p["name"]): p["distribution"] for p in record["providers"]}
    assert used["trainer", "hasty"] == "nnplug-hasty"
    assert used["augmenter", "brats"] == "nnplug-brats"
    assert used["architecture", "residual-encoder-unet"] == "nnplug-nnunet"


SQUARES = """
    from nnplug import LossComponent
    from nnplug.contracts import Loss

    class Squares(Loss):
        def bind(self, context):
            return lambda logits, target: (logits.softmax(1)[:, :1] - (target == 0).float()).square().mean()

    @hookimpl
    def nnplug_losses():
        return [LossComponent("squares", "fake_nnplug_squares:Squares", "of the background")]
"""


@pytest.mark.slow
def test_a_named_loss_is_minimised_and_the_run_records_it(install, run, tmp_path):
    install("nnplug-squares", "squares", SQUARES)
    done = run("--loss", "squares", "--name", "squared")
    assert done.exit_code == 0, done.stderr
    (folder,) = (tmp_path / "work").rglob("squared/**/fold_0")
    record = json.loads((folder / "run.json").read_text())
    assert ("loss", "squares", "nnplug-squares") in {
        (p["kind"], p["name"], p["distribution"]) for p in record["providers"]
    }
    (line,) = read_log(folder / "log.jsonl")
    assert 0 < line.train_loss < 1, "no sum of Dice and entropy"

    assert run("--name", "usual", until="preprocess").exit_code == 0
    words = ["-w", str(tmp_path / "work"), "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--name", "usual"]
    dataset = str(tmp_path / "Dataset900_Tiny")
    refused = CliRunner().invoke(main, ["train", dataset, *words, "--loss", "squares", "--devices", "2"])
    assert "loss 'squares' trains on one device; leave out --devices 2" in refused.stderr
    changed = CliRunner().invoke(
        main,
        [
            "train",
            dataset,
            *words,
            "--loss",
            "topk",
            "--sampler",
            "class-balanced",
            "--set",
            "loss.fraction=0.5",
            "--set",
            "trainer.epochs=1",
        ],
    )
    assert changed.exit_code == 0, changed.stderr
    (plans,) = (tmp_path / "work").rglob("usual/**/fold_0/plans.json")
    assert json.loads(plans.read_text())["choices"]["loss"] == {"name": "topk", "options": {"fraction": 0.5}}
    assert json.loads(plans.read_text())["choices"]["sampler"] == {"name": "class-balanced", "options": {}}
    assert not {"loss", "sampler"} & planned(tmp_path, "usual")["choices"].keys()


def test_a_loss_that_the_trainer_does_not_take_is_refused_with_the_option_to_leave_out(install, run, tmp_path):
    install("nnplug-hasty", "hasty", HASTY)
    done = run("--trainer", "hasty", "--loss", "dice", until="plan")
    assert done.exit_code == 1
    assert (
        "error: trainer 'hasty' from nnplug-hasty 1.0 uses its own loss, not 'dice': its entry has takes_loss=False. "
        "Leave out --loss, or give --trainer NAME of one that takes it.\n"
    ) in done.stderr
    assert not (tmp_path / "work/Dataset900_Tiny/plans").exists()


@pytest.mark.parametrize(
    "kind", ["planner", "architecture", "augmenter", "sampler", "loss", "trainer", "inference", "extractor"]
)
def test_a_name_that_nobody_offers_is_refused_before_anything_is_planned(run, tmp_path, kind):
    done = run(f"--{kind}", "nnunett", until="plan")
    assert done.exit_code == 1
    assert f"error: no {kind} is called 'nnunett'. " in done.stderr
    assert not (tmp_path / "work/Dataset900_Tiny/plans").exists()


def test_a_piece_that_does_not_fit_is_refused_with_the_reason(run, tmp_path):
    done = run("--architecture", "residual-encoder-unet", "--set", "plan.patch_size=[15,16,16]", until="plan")
    assert done.exit_code == 1
    assert "3d_fullres: patch size 15 x 16 x 16 does not fit the network: it needs multiples of" in done.stderr
    assert not (tmp_path / "work/Dataset900_Tiny/plans").exists()
