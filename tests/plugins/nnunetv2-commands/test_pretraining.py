"""nnU-Net's commands for checkpoints of nnssl: plans, start, training, --c and what is refused."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nnplug.errors import UnknownComponent
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug_nnunet.networks.names import to_nnunet
from nnplug_nnunetv2_commands.class_names import pretrained
from nnplug_nnunetv2_commands.class_names.pretrained import CLASSES, FineTuner, find_fine_tuner
from nnplug_nnunetv2_commands.class_names.trainers import CLASSES as OTHERS

PAGE = (Path(__file__).parents[3] / "docs" / "nnunetv2-commands.md").read_text()
LIKE = "ptPlans__MAE____Spacing__1.00_1.00_1.00___Norm__Z_Z"
SHORT = {"epochs": 2, "warmup_epochs": 1, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1}

# class: optimiser, learning rate, that from scratch, weight decay, epochs, warm-up, gradient clip, mirroring; None is
# nnU-Net's default. Read from its classes: nnunetv2/training/nnUNetTrainer/pretraining, master of 2026-07-13.
NUMBERS = {
    "PretrainedTrainer": (None, 1e-3, 1e-2, None, None, 50, None, True),
    "PretrainedTrainer_150ep": (None, 1e-3, 1e-2, None, 150, 15, None, True),
    "PretrainedTrainer_300ep": (None, 1e-3, 1e-2, None, 300, 15, None, True),
    "PretrainedTrainer_smallerlr": (None, 3e-5, 1e-4, 0.05, None, 50, None, True),
    "PretrainedTrainer_nomirroring": (None, 1e-3, 1e-2, None, None, 50, None, False),
    "PretrainedTrainer_150ep_nomirroring": (None, 1e-3, 1e-2, None, 150, 15, None, False),
    "PretrainedTrainer_adam__nomirroring": (None, 1e-3, 1e-2, None, None, 50, None, False),
    "PretrainedTrainer_adam_150ep": ("adamw", 1e-4, 3e-4, 0.05, 150, 15, 1.0, True),
    "PretrainedTrainer_adam_150ep_nomirroring": ("adamw", 1e-4, 3e-4, 0.05, 150, 15, 1.0, False),
    "PretrainedTrainer_Primus": ("adamw", 1e-4, 3e-4, 0.05, None, 50, 1.0, True),
    "PretrainedTrainer_Primus_150ep": ("adamw", 1e-4, 3e-4, 0.05, 150, 15, 1.0, True),
    "PretrainedTrainer_Primusx": ("adamw", 1e-4, 3e-4, 0.05, None, 50, 1.0, True),
    "PretrainedTrainer_Primusx_30ep": ("adamw", 1e-4, 3e-4, 0.05, 30, 3, 1.0, True),
    "PretrainedTrainer_Primusx_150ep": ("adamw", 1e-4, 3e-4, 0.05, 150, 15, 1.0, True),
    "PretrainedTrainer_Primusx_300ep": ("adamw", 1e-4, 3e-4, 0.05, 300, 15, 1.0, True),
    "PretrainedTrainer_Primusx_smallerlr": ("adamw", 3e-5, 1e-4, 0.05, None, 50, 1.0, True),
    "PretrainedTrainer_Primusx_150ep_lr3e4": ("adamw", 3e-4, 3e-4, 0.05, 150, 50, 1.0, True),
    "PretrainedTrainer_Primusx_nomirroring": ("adamw", 1e-4, 3e-4, 0.05, None, 50, 1.0, False),
    "PretrainedTrainer_Primusx_150ep_nomirroring": ("adamw", 1e-4, 3e-4, 0.05, 150, 15, 1.0, False),
    "DynamicPretrainedTrainer": (None, 1e-3, 1e-2, None, None, 50, None, True),
    "DynamicPretrainedTrainer_nomirroring": (None, 1e-3, 1e-2, None, None, 50, None, False),
    "DynamicPretrainedTrainer_adam_150ep": ("adamw", 1e-4, 3e-4, None, 150, 15, None, True),
    "DynamicPretrainedTrainer_adam_150ep_nomirroring": ("adamw", 1e-4, 3e-4, None, 150, 15, None, False),
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_nnunets_numbers_and_its_place_on_the_page(name):
    optimizer, rate, scratch, decay, epochs, warmup, clip, mirroring = NUMBERS[name]
    tuner = find_fine_tuner(name)
    options = tuner.options
    assert options.get("optimizer") == optimizer
    assert (options["initial_lr"], tuner.scratch_lr) == (rate, scratch)
    assert options.get("weight_decay") == decay
    assert (options.get("epochs"), options["warmup_epochs"]) == (epochs, warmup)
    assert options.get("gradient_clip") == clip
    assert options.get("mirroring", True) is mirroring
    assert options["deep_supervision"] is False
    assert tuner.exact is not name.startswith("Dynamic")
    assert f"`{name}`" in PAGE
    trainer = Plugins().registry.create(Kind.TRAINER, "nnunet", options)
    assert trainer.warmup_epochs == warmup
    assert tuner.choice(from_scratch=True).options["trainer"]["initial_lr"] == scratch
    assert tuner.choice(from_scratch=False).fields == {"batch_size": 2}


def test_other_numbers_of_epochs_have_a_tenth_of_warm_up():
    options = find_fine_tuner("PretrainedTrainer_Primusx_500ep").options
    assert (options["epochs"], options["warmup_epochs"]) == (500, 50)
    assert find_fine_tuner("DynamicPretrainedTrainer_20epochs").exact is False


def test_other_names_are_refused():
    with pytest.raises(UnknownComponent, match="it changes the plans"):
        find_fine_tuner("PretrainedTrainer_Primusx_150ep_small_debug")
    with pytest.raises(UnknownComponent, match="no trainer that starts from a checkpoint of nnssl is called 'nnUNetT"):
        find_fine_tuner("nnUNetTrainer")
    assert not OTHERS.keys() & CLASSES.keys()
    assert "`PretrainedTrainer_Primusx_150ep_small_debug`" in PAGE


@pytest.fixture(scope="session")
def checkpoints():
    """The module that writes synthetic checkpoints."""
    path = Path(__file__).parents[1] / "nnssl" / "conftest.py"
    spec = importlib.util.spec_from_file_location("nnssl_checkpoints", path)
    sys.modules["nnssl_checkpoints"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["nnssl_checkpoints"]


@pytest.fixture(scope="session")
def checkpoint(checkpoints, tmp_path_factory):
    plan = checkpoints.adaptation_plan(
        "ResidualEncoderUNet", {**checkpoints.SMALL, **checkpoints.LAYERS}, checkpoints.UNET_KEYS
    )
    return checkpoints.write(tmp_path_factory.mktemp("nnssl") / "mae.pth", to_nnunet(checkpoints.unet_state()), plan)


@pytest.fixture
def short(monkeypatch):
    """A class of two epochs, which would otherwise take 1000."""
    options = {**CLASSES["PretrainedTrainer"].options, **SHORT}
    monkeypatch.setitem(pretrained.CLASSES, "PretrainedTrainer_short", FineTuner(options, 1e-2))
    monkeypatch.setitem(pretrained.CLASSES, "DynamicPretrainedTrainer_short", FineTuner(options, 1e-2, exact=False))
    return "PretrainedTrainer_short"


@pytest.fixture(scope="session")
def like(prepared, checkpoint):
    """The dataset, planned and prepared for the checkpoint."""
    words = ("-d", 999, "-n", "MAE", "-pc", checkpoint.path, "-am", "like_pretrained", "-np", 1, "--verbose")
    done = prepared.expect("nnUNetv2_preprocess_like_nnssl", *words)
    assert f"nnUNetv2_train_pretrained 999 3d_fullres FOLD -p {LIKE}" in done.stdout
    return prepared


def test_the_plans_are_nnunets_with_the_pretraining(like, checkpoint, checkpoints):
    raw = json.loads((like.preprocessed / f"{LIKE}.json").read_text())
    (configuration,) = raw["configurations"].values()
    assert configuration["spacing"] == [1.0, 1.0, 1.0]
    assert (configuration["patch_size"], configuration["batch_size"]) == ([16, 16, 16], 2)
    assert configuration["normalization_schemes"] == ["ZScoreNormalization"] * 2
    assert configuration["architecture"]["arch_kwargs"]["features_per_stage"] == checkpoints.SMALL["features_per_stage"]
    info = raw["pretrain_info"]
    assert info["checkpoint_path"] == str(checkpoint.path)
    assert info["key_to_stem"] == "encoder.stem"
    assert info["pt_num_in_channels"] == 1
    assert info["citations"][0].startswith("Pre-Training Method MAE: He, K.")
    assert len(list((like.preprocessed / f"{LIKE}_3d_fullres").iterdir())) >= 10


def test_a_fold_starts_from_the_checkpoint_and_goes_on(like, checkpoint, short, tmp_path):
    place = like
    words = ("nnUNetv2_train_pretrained", 999, "3d_fullres", 0, "-p", LIKE, "-tr", short, "-device", "cpu")
    done = place.expect(*words)
    assert "cite for these weights: Pre-Training Method MAE: He, K." in done.stderr
    assert done.stdout.startswith("Mean Validation Dice:  ")
    fold = Path(place.variables["nnUNet_results"]) / place.preprocessed.name / f"{short}__{LIKE}__3d_fullres" / "fold_0"
    start = load_file(fold.with_name("pretrained_fold_0") / "fold_all" / "weights.safetensors")
    stem = "encoder.stem.convs.0.conv.weight"
    assert torch.equal(start[stem], checkpoint.state[stem].repeat(1, 2, 1, 1, 1) / 2)
    record = json.loads((fold / "run.json").read_text())
    assert record["pretrained"]["citations"][0].startswith("Pre-Training Method MAE")
    assert json.loads((fold / "plans.json").read_text())["choices"]["trainer"]["options"]["initial_lr"] == 1e-3
    assert (fold / "checkpoint_final.pth").is_file()
    moved = checkpoint.path.rename(tmp_path / "moved.pth")
    try:
        place.expect(*words, "--c")
        gone = place.run(*words)
        assert "mae.pth: no such file" in gone.stderr
        place.expect(*words, "-overwrite_ckpt_path", moved)
    finally:
        moved.rename(checkpoint.path)
    place.expect(*words, "--val")


def test_from_scratch_has_its_own_results_and_no_start(like, short):
    words = ("nnUNetv2_train_pretrained", 999, "3d_fullres", 1, "-p", LIKE, "-tr", short, "-device", "cpu")
    like.expect(*words, "--from_scratch", "-num_gpus", 1, "--npz", "--val_best")
    folder = Path(like.variables["nnUNet_results"]) / like.preprocessed.name
    fold = folder / f"{short}__{LIKE}__from_scratch__3d_fullres" / "fold_1"
    record = json.loads((fold / "run.json").read_text())
    assert "pretrained" not in record
    assert json.loads((fold / "plans.json").read_text())["choices"]["trainer"]["options"]["initial_lr"] == 1e-2
    assert list((fold / "validation").glob("*.npz"))


def test_a_network_of_plans_is_kept(prepared, checkpoint, short):
    plans = prepared.preprocessed / "smallPlans.json"
    raw = json.loads((prepared.preprocessed / "nnUNetPlans.json").read_text())
    raw["configurations"] = {"3d_fullres": {**raw["configurations"]["3d_fullres"], "patch_size": [16, 16, 16]}}
    stages = raw["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
    kernels = [[1, 3, 3], *[[3, 3, 3]] * (stages["n_stages"] - 1)]
    stages |= {"features_per_stage": [4, 6, 8, *[8] * 9][: stages["n_stages"]], "kernel_sizes": kernels}
    stages["n_blocks_per_stage"] = [1] * stages.pop("n_conv_per_stage").__len__()
    residual = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
    raw["configurations"]["3d_fullres"]["architecture"]["network_class_name"] = residual
    plans.write_text(json.dumps(raw))
    words = ("-d", 999, "-n", "MAE", "-pc", checkpoint.path, "-pl", "smallPlans", "-np", 1, "--verbose")
    done = prepared.expect("nnUNetv2_plan_like_dynamic", *words)
    assert "-p ptPlans_dynamic__MAE -tr DynamicPretrainedTrainer" in done.stdout
    new = json.loads((prepared.preprocessed / "ptPlans_dynamic__MAE.json").read_text())
    old = raw["configurations"]["3d_fullres"]
    kept = new["configurations"]["3d_fullres"]
    for key in ("spacing", "patch_size", "normalization_schemes", "batch_size"):
        assert kept[key] == old[key]
    train = ("nnUNetv2_train_pretrained", 999, "3d_fullres", 2, "-p", "ptPlans_dynamic__MAE", "-device", "cpu")
    exact = prepared.run(*train, "-tr", short)
    assert "does not hold the network that it names" in exact.stderr
    done = prepared.expect(*train, "-tr", f"Dynamic{short}")
    assert "with the mean of their kernels" in done.stderr


@pytest.mark.parametrize(
    ("mode", "spacing", "name"),
    [
        (("-am", "fixed", "-os", 2, 1.5, 1), [2.0, 1.5, 1.0], "2.00_1.50_1.00"),
        (("-am", "no_resample"), [1.2, 1.0, 1.0], "None_None_None"),
        ((), [1.2, 1.0, 1.0], "1.20_1.00_1.00"),
    ],
)
def test_modes_of_the_spacing(prepared, checkpoint, mode, spacing, name):
    words = ("-d", 999, "-n", "modes", "-pc", checkpoint.path, *mode, "-np", 1, "--overwrite_pp")
    prepared.expect("nnUNetv2_preprocess_like_nnssl", *words)
    raw = json.loads((prepared.preprocessed / f"ptPlans__modes____Spacing__{name}___Norm__Z_Z.json").read_text())
    configuration = raw["configurations"]["3d_fullres"]
    assert configuration["spacing"] == pytest.approx(spacing)
    unsampled = configuration["resampling_fn_data"] == "no_resampling_hack"
    assert unsampled == (name == "None_None_None")


def test_what_is_refused(prepared, checkpoint, short, tmp_path, monkeypatch):
    words = ("nnUNetv2_preprocess_like_nnssl", "-d", 999, "-n", "MAE", "-pc")
    assert "-am fixed takes three mm" in prepared.run(*words, checkpoint.path, "-am", "fixed").stderr
    assert "-am fixed takes three mm" in prepared.run(*words, checkpoint.path, "-os", 1, 1, 1).stderr
    assert "nnssl_pretrained_models is not set" in prepared.run(*words, "https://huggingface.co/AnonRes/MAE").stderr
    assert "a.pth: no such file" in prepared.run(*words, tmp_path / "a.pth").stderr
    train = ("nnUNetv2_train_pretrained", 999, "3d_fullres", 0, "-tr", short, "-device", "cpu", "-p")
    assert "has no 'pretrain_info'" in prepared.run(*train, "nnUNetPlans").stderr
    assert "no such plans" in prepared.run(*train, "other").stderr
    assert "--c continues from the saved state" in prepared.run(*train, "other", "--disable_checkpointing").stderr
    old = prepared.run("nnUNetv2_train", 999, "3d_fullres", 0, "-tr", "PretrainedTrainer")
    assert "trainer 'PretrainedTrainer' starts from a checkpoint of nnssl. Run nnUNetv2_train_pretrained." in old.stderr
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "checkpoints of nnssl need nnplug-nnssl" in prepared.run(*words, checkpoint.path).stderr


def test_a_dataset_without_plans_is_named(prepared, checkpoint, monkeypatch):
    from nnplug_nnunetv2_commands import pretraining

    monkeypatch.setattr(pretraining, "BASES", ("otherPlans",))
    done = prepared.run("nnUNetv2_preprocess_like_nnssl", "-d", 999, "-n", "MAE", "-pc", checkpoint.path)
    assert (
        f"{prepared.preprocessed}: no plans. Run nnUNetv2_plan_experiment -d {prepared.preprocessed.name}"
        in done.stderr
    )
