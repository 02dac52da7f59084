"""What `nnUNetv2_train` leaves in nnUNet_results, how it goes on, and what it refuses."""

from __future__ import annotations

import json
import shutil

import pytest
import torch

from nnplug.errors import NnplugError
from nnplug.workspace.layout import RunFolder
from nnplug_nnunetv2_commands.training import refuse_nnunet
from nnplug_trackers.wandb_files import read_steps


def test_users_find_what_nnunet_leaves(trained):
    model = trained.model()
    assert {path.name for path in model.iterdir()} >= {
        *("plans.json", "dataset.json", "dataset_fingerprint.json", "fold_0"),
    }
    fold = {path.name for path in (model / "fold_0").iterdir()}
    assert {"checkpoint_final.pth", "checkpoint_best.pth", "progress.png", "validation"} <= fold
    assert "checkpoint_latest.pth" not in fold
    splits = json.loads((trained.preprocessed / "splits_final.json").read_text())
    assert len(splits) == 5
    cases = {path.name for path in (model / "fold_0" / "validation").glob("*.nii.gz")}
    assert cases == {f"{name}.nii.gz" for name in splits[0]["val"]}
    summary = json.loads((model / "fold_0" / "validation" / "summary.json").read_text())
    assert {"foreground_mean", "mean", "metric_per_case"} <= summary.keys()


def test_checkpoints_hold_tensors_and_numbers_for_nnunet(trained):
    file = trained.model() / "fold_0" / "checkpoint_final.pth"
    checkpoint = torch.load(file, weights_only=True)
    assert checkpoint["init_args"]["configuration"] == "tiny"
    assert checkpoint["current_epoch"] == 2
    assert checkpoint["inference_allowed_mirroring_axes"] == (0, 1, 2)


def test_the_trainer_of_a_plugin_is_recorded(trained):
    record = json.loads((trained.model() / "fold_0" / "run.json").read_text())
    assert ("trainer", "short") in {(p["kind"], p["name"]) for p in record["providers"]}
    assert record["command"][0] == "nnUNetv2_train"


def test_c_leaves_a_finished_fold_and_without_it_training_begins_anew(copied):
    weights = copied.model() / "fold_0" / "weights_final.safetensors"
    before, content = weights.stat().st_mtime_ns, weights.read_bytes()
    words = ("nnUNetv2_train", "Dataset999_Phantom", "tiny", "0", "-tr", "short", "-device", "cpu")
    copied.expect(*words, "--c")
    assert weights.stat().st_mtime_ns == before
    again = copied.expect(*words)
    assert "is trained again from the start; --c would continue it" in again.stderr
    assert weights.stat().st_mtime_ns > before
    assert weights.read_bytes() == content


def test_the_variables_of_wandb_are_honoured(copied):
    variables = {"nnUNet_wandb_enabled": "1", "nnUNet_wandb_project": "phantoms", "nnUNet_wandb_mode": "offline"}
    words = ("nnUNetv2_train", 999, "tiny", 0, "-tr", "short", "-device", "cpu", "--c")
    copied.expect(*words, **variables)
    (file,) = copied.model().glob("fold_0/wandb/offline-run-*/*.wandb")
    assert [*read_steps(file)] == [0, 1]
    assert b"phantoms" in file.read_bytes()
    assert "nnUNet_wandb_enabled is 'on'; expected 0 or 1" in copied.run(*words, nnUNet_wandb_enabled="on").stderr
    done = copied.run(*words, **variables, NNPLUG_PLUGINS="no:trackers")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no tracker 'wandb' is installed. Run: pip install 'nnplug[wandb]', or unset nnUNet_wandb" in done.stderr


def test_val_validates_again(copied):
    summary = copied.model() / "fold_0" / "validation" / "summary.json"
    before = summary.stat().st_mtime_ns
    copied.expect("nnUNetv2_train", 999, "tiny", 0, "-tr", "short", "--val", "-num_gpus", 1)
    assert summary.stat().st_mtime_ns > before


def test_a_training_of_nnunet_itself_is_not_removed(tmp_path):
    (tmp_path / "checkpoint_final.pth").touch()
    with pytest.raises(NnplugError, match="holds a training of nnU-Net v2, which stays as it is. Predict with it"):
        refuse_nnunet(RunFolder(tmp_path))
    assert (tmp_path / "checkpoint_final.pth").exists()


@pytest.mark.parametrize("flag", [(), ("--c",), ("--val",)])
def test_nothing_changes_in_a_fold_that_nnunet_trained(copied, flag):
    fold = copied.model() / "fold_3"
    (fold / "validation").mkdir(parents=True)
    for file in (fold / "checkpoint_best.pth", fold / "validation" / "summary.json"):
        file.write_text("nnU-Net's")
    done = copied.run("nnUNetv2_train", 999, "tiny", 3, "-tr", "short", "-device", "cpu", *flag)
    assert done.returncode == 1
    assert "fold_3: holds a training of nnU-Net v2, which stays as it is." in done.stderr
    assert sorted(path.name for path in fold.rglob("*")) == ["checkpoint_best.pth", "summary.json", "validation"]


def test_a_training_that_is_refused_leaves_the_earlier_one(copied):
    fold = copied.model() / "fold_0"
    before = {path.name: path.read_bytes() for path in fold.iterdir() if path.is_file()}
    done = copied.run("nnUNetv2_train", 999, "tiny", 0, "-tr", "short", "-device", "cpu", "-num_gpus", 3)
    assert done.returncode == 1
    assert {path.name: path.read_bytes() for path in fold.iterdir() if path.is_file()} == before
    assert (fold / "validation" / "summary.json").is_file()


def test_val_of_a_fold_that_is_not_trained_removes_nothing(copied):
    (copied.model() / "fold_0" / "weights_final.safetensors").unlink()
    done = copied.run("nnUNetv2_train", 999, "tiny", 0, "-tr", "short", "--val")
    assert done.returncode == 1
    assert (copied.model() / "fold_0" / "validation" / "summary.json").is_file()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("tiny", 0, "-tr", "nnUNetTrainerMine"),
            "no trainer is called 'nnUNetTrainerMine'. There are nnUNetTrainer, ",
        ),
        (("huge", 0), "has no configuration 'huge'; it has 2d, 3d_fullres"),
        (("3d_fullres", 0, "-p", "other"), "other.json: no such plans"),
    ],
)
def test_mistakes_are_a_line_each(prepared, words, line):
    done = prepared.run("nnUNetv2_train", 999, *words)
    assert done.returncode == 1
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_cases_that_are_not_prepared_are_told_with_the_command_that_prepares_them(prepared):
    prepared.expect("nnUNetv2_plan_experiment", "-d", 999, "-overwrite_plans_name", "fresh")
    done = prepared.run("nnUNetv2_train", 999, "3d_fullres", 0, "-p", "fresh")
    assert done.returncode == 1
    assert "Run nnUNetv2_preprocess -d Dataset999_Phantom -plans_name fresh -c 3d_fullres" in done.stderr


def test_a_training_without_checkpoints_is_refused(prepared):
    done = prepared.run("nnUNetv2_train", 999, "tiny", 0, "--disable_checkpointing")
    assert done.returncode == 2
    assert "--disable_checkpointing is not honoured: --c continues from the saved state of a training" in done.stderr


def test_code_in_folders_is_refused(prepared):
    done = prepared.run("nnUNetv2_train", 999, "tiny", 0, nnUNet_extTrainer="/home/me/trainers")
    assert done.returncode == 1
    assert "nnplug imports no code from folders. Make your trainer a plugin (nnplug plugins new NAME)" in done.stderr


def test_a_missing_variable_is_named(prepared):
    variables = {**prepared.variables, "nnUNet_results": ""}
    done = type(prepared)(prepared.root, variables).run("nnUNetv2_train", 999, "tiny", 0)
    assert done.returncode == 1
    assert done.stderr == (
        "error: nnUNet_results is not set; it names the folder of trained models. Run: export nnUNet_results=/PATH\n"
    )


@pytest.mark.slow
def test_an_epoch_of_nnunet(prepared):
    """The trainer by nnU-Net's own name: 250 iterations."""
    prepared.expect("nnUNetv2_train", 999, "tiny", "all", "-tr", "nnUNetTrainer_1epoch")
    log = (prepared.model("nnUNetTrainer_1epoch") / "fold_all" / "log.jsonl").read_text().splitlines()
    assert len(log) == 1


def test_training_begins_with_the_weights_of_a_checkpoint_and_goes_on(trained, copied):
    checkpoint = trained.model() / "fold_0" / "checkpoint_final.pth"
    words = ("nnUNetv2_train", 999, "tiny", 2, "-tr", "short", "-device", "cpu")
    done = copied.expect(*words, "-pretrained_weights", checkpoint)
    assert "at random begin" in done.stderr
    record = json.loads((copied.model() / "fold_2" / "run.json").read_text())
    assert record["pretrained"]["model"] == str(copied.model() / "pretrained_fold_2")
    copied.expect(*words, "--c")
    assert "give one of them" in copied.run(*words, "--c", "-pretrained_weights", checkpoint).stderr
    copied.expect(*words)
    assert "pretrained" not in json.loads((copied.model() / "fold_2" / "run.json").read_text())
    nowhere = copied.run(*words, "-pretrained_weights", copied.root / "weights.pth")
    assert "give checkpoint_final.pth or checkpoint_best.pth in a fold of a model folder" in nowhere.stderr
    trained_before = copied.model(configuration="3d_fullres") / "fold_2"
    shutil.copytree(copied.model() / "fold_2", trained_before)
    other = copied.run("nnUNetv2_train", 999, "3d_fullres", 2, "-tr", "short", "-pretrained_weights", checkpoint)
    assert "its network is another one" in other.stderr
    assert (trained_before / "run.json").is_file(), "what cannot be trained again is not removed"


@pytest.mark.slow
def test_several_devices_train_a_fold_together(copied):
    words = ("nnUNetv2_train", 999, "tiny", 3, "-tr", "short", "-device", "cpu", "-num_gpus", 2)
    copied.installed(*words)
    assert (copied.model() / "fold_3" / "checkpoint_final.pth").is_file()
