"""The command: plans with the rules of fine-tuning, the start, a training that starts from it, and what is refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from nnplug.models.ensemble_bundle import unpacked_any
from nnplug.plans.plans import read_plans
from nnplug.workspace.run_record import RunRecord
from nnplug_hub.card import model_card
from nnplug_hub.reference import parse_reference
from nnplug_nnunet.networks.names import to_nnunet

from .conftest import CITATIONS, LAYERS, PRIMUS_KEYS, SMALL, UNET_KEYS, adaptation_plan, nnplug, unet_state, write

SHORT = [
    word
    for name, value in {
        "epochs": 2,
        "warmup_epochs": 1,
        "iterations_per_epoch": 2,
        "val_iterations_per_epoch": 1,
        "initial_lr": 1e-30,
        "augment_on": "threads",
    }.items()
    for word in ("--set", f"trainer.{name}={value}")
]
"""A training that changes no weight by more than its rounding, so that its end shows its start."""

PAPER = "Pre-Training Method MAE: He, K. (2022). Masked autoencoders. CVPR."


def planned(place, checkpoint, *words, name="nnssl", code=0):
    folder, workspace = place
    result = nnplug("plan-nnssl", folder, checkpoint, "-w", workspace, "--name", name, *words, code=code)
    path = workspace / folder.name / "plans" / f"{name}.json"
    return result, read_plans(path) if code == 0 else None, path.with_name(f"{name}-start.zip")


@pytest.fixture(scope="module")
def started(place, unet):
    """Plans and the start of a small residual encoder, and the preprocessed cases."""
    result, plans, start = planned(place, unet.path)
    nnplug("preprocess", place[0], "-w", place[1], "--name", "nnssl")
    return result, plans, start


def test_the_plans_have_network_patch_and_spacing_of_the_pretraining(started):
    _, plans, _ = started
    assert list(plans.configurations) == ["3d_fullres"]
    configuration = plans.configuration("3d_fullres")
    assert configuration.architecture.options == SMALL
    assert configuration.patch_size == (16, 16, 16)
    assert configuration.spacing == (1.0, 1.0, 1.0)
    assert configuration.batch_size == 2
    assert [one.name for one in configuration.normalization] == ["zscore", "zscore"]
    np.testing.assert_allclose(configuration.median_shape, np.multiply((20, 24, 22), (1.2, 1, 1)))
    trainer = plans.choices["trainer"]
    assert trainer.name == "nnunet"
    assert trainer.options == {"initial_lr": 1e-3, "warmup_epochs": 50, "deep_supervision": False}


def test_the_start_holds_the_encoder_and_the_citations(started, place, unet):
    result, _, start = started
    with unpacked_any(start) as bundle:
        record, weights = bundle.record, load_file(bundle.weights("all"))
    assert record.start.citations == (PAPER, "Dataset OpenMind: @article{openmind}")
    assert record.start.source == "resenc.pth"
    assert all(name.startswith("encoder.") for name in weights)
    stem = "encoder.stem.convs.0.conv.weight"
    assert torch.equal(weights[stem], unet.state[stem].repeat(1, 2, 1, 1, 1) / 2)
    assert f"cite for these weights: {PAPER}" in result.stderr
    assert f"resenc.pth: {len(weights)} parameters are taken" in result.stderr
    assert "channel name" not in result.stderr
    last = f"then: nnplug train {place[0]} -w {place[1]} --name nnssl --pretrained {start}"
    assert result.stdout.splitlines()[-1] == last


def test_a_training_starts_from_the_weights_and_is_told_the_citations(started, place, unet):
    folder, workspace = place
    start = started[2]
    words = (
        "train",
        folder,
        "-w",
        workspace,
        "--name",
        "nnssl",
        "-f",
        "0",
        "--pretrained",
        start,
        "--device",
        "cpu",
        "--no-mirroring",
    )
    result = nnplug(*words, *SHORT)
    run = workspace / folder.name / "runs" / "nnssl" / "3d_fullres" / "fold_0"
    weights = load_file(run / "weights_final.safetensors")
    encoder = [name for name in weights if name.startswith("encoder.") and ".stem.convs.0.conv." not in name]
    assert all(torch.equal(weights[name], unet.state[name]) for name in encoder)
    assert any(not torch.equal(weights[name], unet.state[name]) for name in weights if name.startswith("decoder."))
    assert f"begins with {start}; at random begin decoder." in result.stderr
    assert f"cite for the weights of {start}: {PAPER}" in result.stderr
    record = RunRecord.read(run / "run.json")
    assert record.pretrained.citations[0] == PAPER
    assert "this training does not use" not in result.stderr
    nnplug("model", "export", run, "-o", run.with_name("bundle.zip"))
    with unpacked_any(run.with_name("bundle.zip")) as bundle:
        assert bundle.record.record["0"]["pretrained"]["citations"][0] == PAPER
        assert bundle.record.start is None
        card = model_card(bundle, parse_reference("hf:lab/name"))
    assert f"Of the pre-trained weights:\n\n- {PAPER}\n- Dataset OpenMind" in card
    forgotten = nnplug(
        "train", folder, "-w", workspace, "--name", "nnssl", "-f", "0", "--device", "cpu", *SHORT, code=1
    )
    assert (
        f"{start}: these plans have pretrained weights, which this training does not use. Train from it: "
        "nnplug train DATASET --pretrained" in (forgotten.stderr)
    )
    assert "was begun with other values (pretrained: the default instead of" in forgotten.stderr


@pytest.mark.slow
def test_a_training_that_was_killed_resumes_with_equal_weights(started, place, tmp_path):
    """A whole process is killed and another one goes on; the weights are those of an uninterrupted training."""
    folder, workspace = place
    words = [
        "train",
        folder,
        "--name",
        "nnssl",
        "-f",
        "1",
        "--pretrained",
        started[2],
        "--device",
        "cpu",
        "--no-mirroring",
    ]
    words += [*SHORT, "--set", "trainer.initial_lr=0.01", "--set", "trainer.epochs=6"]
    nnplug(*words, "-w", workspace)
    expected = load_file(
        workspace / folder.name / "runs" / "nnssl" / "3d_fullres" / "fold_1" / "weights_final.safetensors"
    )
    other = tmp_path / "work"
    (other / folder.name).mkdir(parents=True)
    for name in ("plans", "preprocessed", "fingerprint.json", "splits.json"):
        (other / folder.name / name).symlink_to(workspace / folder.name / name)
    run = other / folder.name / "runs" / "nnssl" / "3d_fullres" / "fold_1"
    words += ["-w", other]
    command = [Path(sys.executable).with_name("nnplug"), *words, "--set", "trainer.iterations_per_epoch=2"]
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 240
    while not (run / "state.pt").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "weights_final.safetensors").exists(), "it was not killed on the way"
    nnplug(*words)
    resumed = load_file(run / "weights_final.safetensors")
    assert all(torch.equal(resumed[name], one) for name, one in expected.items())


def test_a_start_predicts_nothing(started, place, tmp_path):
    result = nnplug("predict", "-i", place[0] / "imagesTs", "-o", tmp_path / "out", "-m", started[2], code=1)
    assert f"{started[2]}: is the start of a training, with weights of a part of the network. Train from it" in (
        result.stderr
    )
    result = nnplug("model", "export-nnunet", started[2], "-o", tmp_path / "model", code=1)
    assert "is the start of a training" in result.stderr


@pytest.mark.parametrize(
    ("words", "spacing"),
    [
        (("--spacing", "dataset"), (1.2, 1.0, 1.0)),
        (("--spacing", "2, 1.5, 3"), (2.0, 1.5, 3.0)),
        (("--spacing", "none"), (1.2, 1.0, 1.0)),
    ],
)
def test_spacings(place, unet, words, spacing):
    _, plans, _ = planned(place, unet.path, *words, name="other")
    np.testing.assert_allclose(plans.configuration("3d_fullres").spacing, spacing, rtol=1e-5)
    chosen = plans.choices.get("resampler")
    assert (chosen is not None and chosen.name == "nnunet-none") == (words[1] == "none")


def test_a_pretraining_without_spacing_takes_that_of_the_dataset(place, tmp_path):
    plan = adaptation_plan("ResidualEncoderUNet", {**SMALL, **LAYERS}, UNET_KEYS, spacing=None)
    result, plans, _ = planned(place, write(tmp_path / "a.pth", to_nnunet(unet_state()), plan).path, name="other")
    assert "the pre-training did not resample; the spacing is that of the dataset" in result.stderr
    np.testing.assert_allclose(plans.configuration("3d_fullres").spacing, (1.2, 1, 1), rtol=1e-5)


def test_a_primus_is_planned_with_its_training_and_other_patches_have_other_positions(place, primus):
    _, plans, start = planned(place, primus.path, "--patch-size", "8", "16", "16", name="primus")
    configuration = plans.configuration("3d_fullres")
    assert configuration.architecture.options == {"patch_size": [8, 16, 16], "size": "S"}
    assert configuration.patch_size == (8, 16, 16)
    options = plans.choices["trainer"].options
    assert (options["optimizer"], options["betas"], options["weight_decay"]) == ("adamw", [0.9, 0.98], 0.05)
    assert (options["initial_lr"], options["warmup_epochs"], options["gradient_clip"]) == (1e-4, 50, 1.0)
    with unpacked_any(start) as bundle:
        weights = load_file(bundle.weights("all"))
    assert weights["eva.pos_embed"].shape == (1, 4, 396)
    assert not any(name.startswith("up_projection") for name in weights)
    name = "eva.blocks.3.attn.proj.weight"
    assert torch.equal(weights[name], primus.state[name])


def test_the_decoder_is_taken_on_request(place, unet):
    _, _, start = planned(place, unet.path, "--decoder", "-o", place[1] / "decoder.zip", name="decoder")
    assert not start.exists()
    with unpacked_any(place[1] / "decoder.zip") as bundle:
        weights = load_file(bundle.weights("all"))
    assert "decoder.transpconvs.1.weight" in weights
    assert not any(".seg_layers." in name for name in weights)


def test_the_network_of_other_plans_is_kept(place, unet):
    folder, workspace = place
    small = ["--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "plan.batch_size=3"]
    nnplug(
        "plan", folder, "-w", workspace, "--planner", "nnunet-resenc-m", "--name", "base", *small, "-c", "3d_fullres"
    )
    base = read_plans(workspace / folder.name / "plans" / "base.json").configuration("3d_fullres")
    result, plans, start = planned(place, unet.path, "--keep", "base", "--optimizer", "adamw", name="kept")
    kept = plans.configuration("3d_fullres")
    assert (kept.architecture, kept.patch_size, kept.spacing) == (base.architecture, base.patch_size, base.spacing)
    assert kept.normalization == base.normalization
    assert kept.batch_size == 2
    assert plans.choices["trainer"].options["optimizer"] == "adamw"
    assert "parameters of the encoder have no pre-trained weights; they begin at random" in result.stderr
    with unpacked_any(start) as bundle:
        assert "encoder.stem.convs.0.conv.weight" in load_file(bundle.weights("all"))


def test_a_comparison_from_scratch_has_the_same_plans_and_no_start(started, place, unet):
    result, plans, start = planned(place, unet.path, "--from-scratch", name="scratch")
    assert plans.configurations == started[1].configurations
    assert plans.choices["trainer"].options["initial_lr"] == 0.01
    assert not start.exists()
    assert "--pretrained" not in result.stdout


def test_options_are_set_as_in_plan(place, unet):
    words = ("--set", "trainer.epochs=150", "--set", "trainer.warmup_epochs=15", "--set", "plan.batch_size=4")
    _, plans, _ = planned(place, unet.path, *words, name="other")
    assert plans.choices["trainer"].options["epochs"] == 150
    assert plans.choices["trainer"].options["warmup_epochs"] == 15
    assert plans.configuration("3d_fullres").batch_size == 4


def test_what_is_refused(place, unet, tmp_path):
    folder, workspace = place

    def message(*words, code=1):
        result = nnplug("plan-nnssl", *words, "-w", workspace, code=code)
        return result.stderr

    assert "no such file; give a checkpoint of nnssl, or hf:OWNER/NAME" in message(folder, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_text("text")
    assert f"{tmp_path / 'b.pth'}: " in message(folder, tmp_path / "b.pth")
    assert "give pretrained, dataset, none, or three numbers" in message(folder, unet.path, "--spacing", "1,2", code=2)
    assert "mm are above 0" in message(folder, unet.path, "--spacing", "1,2,0", code=2)
    assert "plans/no.json: no such plans" in message(folder, unet.path, "--keep", "no")
    kept = (folder, unet.path, "--keep", "nnssl", "--spacing", "none")
    planned(place, unet.path)
    assert "--keep keeps spacing and patch" in message(*kept, code=2)
    odd = message(folder, unet.path, "--patch-size", "17", "16", "16")
    assert "17" in odd
    result = nnplug("plan-nnssl", folder, unet.path, "-w", tmp_path / "empty", code=1)
    assert "no such fingerprint" in result.stderr


def test_another_number_of_positions_is_told_before_plans_are_written(place, primus, tmp_path):
    plan = adaptation_plan("PrimusS", None, PRIMUS_KEYS, patch=(16, 16, 16))
    other = write(tmp_path / "a.pth", primus.state, plan)
    result, _, start = planned(place, other.path, name="wrong", code=1)
    assert "eva.pos_embed has 24 positions, a patch of [16, 16, 16] with tokens of [8, 8, 8] has 8" in result.stderr
    assert not start.exists()
    assert not start.with_name("wrong.json").exists()


def test_the_command_has_help_without_torch():
    code = "import sys; import nnplug_nnssl.commands, nnplug_nnssl.plugin; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_citations_are_json(started):
    with unpacked_any(started[2]) as bundle:
        assert len(json.loads((bundle.folder / "bundle.json").read_text())["start"]["citations"]) == len(CITATIONS)
