"""What all commands share: nnU-Net's flags, variables read when a command runs, a quick answer."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nnplug.errors import NnplugError
from nnplug_nnunetv2_commands.environment import Environment

FLAGS = {
    "extract_fingerprint": "-d -fpe -np --verify_dataset_integrity --clean --verbose --no_pbar",
    "plan_experiment": "-d -pl -gpu_memory_target -preprocessor_name -overwrite_target_spacing -overwrite_plans_name",
    "preprocess": "-d -plans_name -c -np --verbose --no_pbar",
    "plan_and_preprocess": "-d -fpe -npfp --verify_dataset_integrity --no_pp --clean -pl -gpu_memory_target "
    "-preprocessor_name -overwrite_target_spacing -overwrite_plans_name -c -np --verbose --no_pbar",
    "train": "-tr -p -pretrained_weights -num_gpus --npz --c --val --val_best --disable_checkpointing -device",
    "train_pretrained": "-tr -p --from_scratch -num_gpus --npz --c --val --val_best --disable_checkpointing -device "
    "-overwrite_ckpt_path",
    "plan_like_dynamic": "-d -n --pretraining_name -pc --pretrained_checkpoint -pl --plans_identifier -np --verbose "
    "--overwrite_pp",
    "preprocess_like_nnssl": "-d -n --pretraining_name -pc --pretrained_checkpoint -am --adaptation_mode -os "
    "--override_spacing -np --verbose --overwrite_pp",
    "predict": "-i -o -d -p -tr -c -f -step_size --disable_tta --verbose --save_probabilities --continue_prediction "
    "-chk -npp -nps -prev_stage_predictions -num_parts -part_id -device --disable_progress_bar --not_on_device",
    "predict_from_modelfolder": "-i -o -m -f -step_size --disable_tta --verbose --save_probabilities "
    "--continue_prediction --c -chk -npp -nps -prev_stage_predictions -device --disable_progress_bar --not_on_device",
    "determine_postprocessing": "-i -ref -plans_json -dataset_json -np --remove_postprocessed",
    "apply_postprocessing": "-i -o -pp_pkl_file -np -plans_json -dataset_json",
    "accumulate_crossval_results": "-c -o -f -p -tr",
    "evaluate_folder": "-djfile -pfile -o -np --chill",
    "evaluate_simple": "-l -il -o -np --chill",
    "export_model_to_zip": "-d -o -c -tr -p -f -chk --not_strict --exp_cv_preds",
    "install_pretrained_model_from_zip": "zip",
    "download_pretrained_model_by_url": "url",
    "find_best_configuration": "-p -c -tr -np -f --disable_ensembling --no_overwrite",
    "ensemble": "-i -o -np --save_npz",
    "convert_MSD_dataset": "-i -overwrite_id -np",
    "convert_old_nnUNet_dataset": "input_folder output_dataset_name",
    "move_plans_between_datasets": "-s -t -sp -tp",
    "plot_overlay_pngs": "-d -o -np -channel_idx --use_raw -p -c -overlay_intensity",
}
"""What the commands of nnunetv2 2.8.1 take, and those of its master of July 2026 that start from nnssl."""


def test_every_command_of_nnunet_is_installed(scripts):
    assert {name.removeprefix("nnUNetv2_") for name in scripts} == FLAGS.keys()


@pytest.mark.parametrize("name", FLAGS)
def test_every_flag_of_nnunet_is_known(name, scripts, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [name, "-h"])
    with pytest.raises(SystemExit) as left:
        scripts[f"nnUNetv2_{name}"]()
    assert left.value.code == 0
    words = capsys.readouterr().out.replace(",", " ").replace("[", " ").replace("]", " ").split()
    assert [flag for flag in FLAGS[name].split() if flag not in words] == []


def test_every_command_has_its_flags_listed(scripts):
    assert {name.removeprefix("nnUNetv2_") for name in scripts} == set(FLAGS)


def test_help_imports_nothing_heavy():
    code = (
        "import importlib.metadata, sys\n"
        "for point in importlib.metadata.distribution('nnplug-nnunetv2-commands').entry_points: point.load()\n"
        "print(sorted({'torch', 'numpy', 'scipy', 'SimpleITK', 'matplotlib'} & sys.modules.keys()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("variables", "workers", "loaders"),
    [
        ({}, None, None),
        ({"nnUNet_def_n_proc": "3", "nnUNet_n_proc_DA": "12"}, 3, 12),
        ({"nnUNet_n_proc_DA": "0"}, None, 1),
    ],
)
def test_numbers_of_workers(variables, workers, loaders):
    environment = Environment(variables)
    assert (environment.workers, environment.loaders) == (workers, loaders)


def test_a_number_of_workers_that_is_none_is_told():
    with pytest.raises(NnplugError, match="nnUNet_def_n_proc is 'many'; expected a whole number from 1"):
        _ = Environment({"nnUNet_def_n_proc": "many"}).workers


@pytest.mark.parametrize(
    ("variables", "options"),
    [
        ({}, None),
        ({"nnUNet_wandb_enabled": "False", "nnUNet_wandb_project": "mine"}, None),
        ({"nnUNet_wandb_enabled": "true"}, {"project": "nnunet", "mode": "online"}),
        (
            {"nnUNet_wandb_enabled": "1", "nnUNet_wandb_project": "mine", "nnUNet_wandb_mode": "offline"},
            {"project": "mine", "mode": "offline"},
        ),
    ],
)
def test_the_variables_of_wandb_have_nnunets_defaults(variables, options):
    assert Environment(variables).wandb == options


def test_datasets_are_found_in_any_folder(tmp_path):
    for name in ("raw/Dataset004_A", "results/Dataset005_B", "results/Dataset006_C", "raw/Dataset006_D"):
        (tmp_path / name).mkdir(parents=True)
    environment = Environment({"nnUNet_raw": str(tmp_path / "raw"), "nnUNet_results": str(tmp_path / "results")})
    assert [environment.dataset(name) for name in ("4", "004", "Dataset005_B")] == ["Dataset004_A"] * 2 + [
        "Dataset005_B"
    ]
    with pytest.raises(NnplugError, match="6: Dataset006_C, Dataset006_D have that number; give the name"):
        environment.dataset("6")
    with pytest.raises(NnplugError, match="7: no such dataset. .* hold Dataset004_A, Dataset005_B"):
        environment.dataset("7")
    with pytest.raises(NnplugError, match="nnUNet_raw is not set"):
        Environment({}).dataset("4")


def test_a_word_in_the_environment_that_blocks_nothing_is_told(prepared):
    done = prepared.run("nnUNetv2_plan_experiment", "-d", 999, NNPLUG_PLUGINS="short")
    assert done.returncode == 1
    assert done.stderr == "error: NNPLUG_PLUGINS: expected no:NAME, got 'short'\n"
