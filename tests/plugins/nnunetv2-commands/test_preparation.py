"""What the commands before training leave in nnUNet_preprocessed, and what they say."""

from __future__ import annotations

import json
import shutil

import pytest

from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_label, write_label
from nnplug.plans.fingerprint import Fingerprint
from nnplug.runtime.executor import LocalExecutor
from nnplug.workspace.case_store import CaseStore


def test_the_folder_is_laid_out_as_nnunet_lays_it(prepared):
    assert {path.name for path in prepared.preprocessed.iterdir()} >= {
        *("dataset.json", "dataset_fingerprint.json", "gt_segmentations", "nnUNetPlans.json"),
        *("nnUNetPlans_2d", "nnUNetPlans_3d_fullres"),
    }
    raw = sorted(path.name for path in (prepared.raw / "labelsTr").iterdir())
    assert sorted(path.name for path in (prepared.preprocessed / "gt_segmentations").iterdir()) == raw
    assert len(Fingerprint.read(prepared.preprocessed / "dataset_fingerprint.json").spacings) == 10


def test_plans_are_in_the_layout_of_nnunet(prepared):
    plans = json.loads((prepared.preprocessed / "nnUNetPlans.json").read_text())
    assert (plans["dataset_name"], plans["plans_name"]) == ("Dataset999_Phantom", "nnUNetPlans")
    assert plans["experiment_planner_used"] == "ExperimentPlanner"
    full = plans["configurations"]["3d_fullres"]
    assert full["data_identifier"] == "nnUNetPlans_3d_fullres"
    assert full["architecture"]["network_class_name"].endswith("PlainConvUNet")
    assert full["normalization_schemes"] == ["ZScoreNormalization"] * 2


def test_residual_planner_memory_target_and_name(prepared):
    words = ("-pl", "nnUNetPlannerResEncM", "-gpu_memory_target", "4", "-overwrite_plans_name", "small")
    prepared.expect(
        "nnUNetv2_plan_experiment", "-d", "Dataset999_Phantom", *words, "-overwrite_target_spacing", 1, 1, 1
    )
    plans = json.loads((prepared.preprocessed / "small.json").read_text())
    assert plans["experiment_planner_used"] == "nnUNetPlannerResEncM"
    assert plans["configurations"]["3d_fullres"]["spacing"] == [1, 1, 1]
    assert plans["configurations"]["3d_fullres"]["architecture"]["network_class_name"].endswith("ResidualEncoderUNet")


def test_configurations_written_by_hand_stay_when_the_dataset_is_planned_again(prepared):
    prepared.expect("nnUNetv2_plan_experiment", "-d", 999, "-overwrite_plans_name", "byhand")
    path = prepared.preprocessed / "byhand.json"
    plans = json.loads(path.read_text())
    plans["configurations"]["3d_small"] = {"inherits_from": "3d_fullres", "batch_size": 3}
    path.write_text(json.dumps(plans))
    prepared.expect("nnUNetv2_plan_experiment", "-d", 999, "-overwrite_plans_name", "byhand")
    assert json.loads(path.read_text()) == plans


def test_planners_with_other_resampling(prepared):
    """The functions and keywords are those that the classes of nnU-Net 2.8.1 write; cases are prepared by them."""
    prepared.expect("nnUNetv2_plan_experiment", "-d", 999, "-pl", "nnUNetPlanner_torchres")
    plans = json.loads((prepared.preprocessed / "nnUNetPlans_torchres.json").read_text())
    for configuration in plans["configurations"].values():
        for key in ("data", "seg", "probabilities"):
            assert configuration[f"resampling_fn_{key}"] == "resample_torch_fornnunet"
            assert configuration[f"resampling_fn_{key}_kwargs"] == {
                "is_seg": key == "seg",
                "force_separate_z": False,
                "memefficient_seg_resampling": False,
            }
    none = ("-pl", "nnUNetPlannerResEncL_noResampling", "-overwrite_target_spacing", 2.4, 2, 2)
    prepared.expect("nnUNetv2_plan_experiment", "-d", 999, *none)
    name = "nnUNetResEncUNetLPlans_noResampling"
    full = json.loads((prepared.preprocessed / f"{name}.json").read_text())["configurations"]["3d_fullres"]
    assert (full["resampling_fn_data"], full["resampling_fn_data_kwargs"]) == ("no_resampling_hack", {})
    prepared.expect("nnUNetv2_preprocess", "-d", 999, "-plans_name", name, "-c", "3d_fullres", "-np", 1)
    own, default = (CaseStore(prepared.preprocessed / f"{one}_3d_fullres") for one in (name, "nnUNetPlans"))
    assert own["phantom_000"].image.shape == default["phantom_000"].image.shape, "twice the spacing, as many voxels"


def test_a_fingerprint_is_kept_unless_clean(prepared):
    path = prepared.preprocessed / "dataset_fingerprint.json"
    before = path.stat().st_mtime_ns
    kept = prepared.expect("nnUNetv2_extract_fingerprint", "-d", 999)
    assert "--clean measures again" in kept.stderr
    assert path.stat().st_mtime_ns == before
    prepared.expect("nnUNetv2_extract_fingerprint", "-d", 999, "--clean", nnUNet_def_n_proc="1")
    assert path.stat().st_mtime_ns > before


def test_plans_move_to_another_dataset(prepared):
    other = prepared.root / "preprocessed" / "Dataset998_Other"
    other.mkdir()
    prepared.expect("nnUNetv2_move_plans_between_datasets", "-s", 999, "-t", 998, "-sp", "nnUNetPlans", "-tp", "theirs")
    plans = json.loads((other / "theirs.json").read_text())
    assert (plans["dataset_name"], plans["plans_name"]) == ("Dataset998_Other", "theirs")
    assert plans["configurations"]["2d"]["data_identifier"] == "theirs_2d"


@pytest.mark.parametrize(
    ("command", "words", "line"),
    [
        ("preprocess", ("-d", 999, "-np", 1, 2), "-np has 2 numbers for 3 configurations; give one, or one for each"),
        ("preprocess", ("-d", 999, "-plans_name", "none"), "none.json: no such plans. Run nnUNetv2_plan_experiment"),
        ("preprocess", ("-d", 5), "5: no such dataset."),
        ("plan_experiment", ("-d", 999, "-pl", "Mine"), "no planner is called 'Mine'. There are ExperimentPlanner, "),
        ("plan_experiment", ("-d", 999, "-pl", "ResEncUNetPlanner"), "2.8.1 has two classes of this name"),
    ],
)
def test_mistakes_are_a_line_each(prepared, command, words, line):
    done = prepared.run(f"nnUNetv2_{command}", *words)
    assert done.returncode == 1
    assert line in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_planning_alone_measures_with_as_many_threads_as_asked(prepared, monkeypatch):
    workers = {}
    run = LocalExecutor.map

    def noted(self, function, items, *, stage, name=str):
        workers[stage] = self.workers
        return run(self, function, items, stage=stage, name=name)

    monkeypatch.setattr(LocalExecutor, "map", noted)
    named = ("-overwrite_plans_name", "unprepared", "-fpe", "DatasetFingerprintExtractor", "--clean")
    words = ("-npfp", 3, "--no_pp", "-preprocessor_name", "DefaultPreprocessor")
    prepared.expect("nnUNetv2_plan_and_preprocess", "-d", 999, *named, *words)
    assert workers == {"fingerprint": 3}
    assert (prepared.preprocessed / "unprepared.json").is_file()
    assert not list(prepared.preprocessed.glob("unprepared_*")), "no case is prepared"


@pytest.mark.parametrize(
    ("command", "flag", "value"),
    [
        ("plan_and_preprocess", "-preprocessor_name", "Mine"),
        ("plan_experiment", "-preprocessor_name", "Mine"),
        ("extract_fingerprint", "-fpe", "Mine"),
    ],
)
def test_classes_that_nnplug_does_not_have_are_refused(prepared, command, flag, value):
    done = prepared.run(f"nnUNetv2_{command}", "-d", 999, flag, value)
    assert done.returncode == 2
    assert f"argument {flag}: invalid choice: 'Mine'" in done.stderr


@pytest.mark.parametrize("command", ["extract_fingerprint", "plan_and_preprocess", "preprocess"])
def test_verbose_shows_where_an_error_came_from(prepared, command):
    assert "Traceback" in prepared.run(f"nnUNetv2_{command}", "-d", 5, "--verbose").stderr
    assert "Traceback" not in prepared.run(f"nnUNetv2_{command}", "-d", 5).stderr


@pytest.mark.parametrize(
    ("command", "words", "line"),
    [("extract_fingerprint", ("--clean",), "fingerprint: 10/10"), ("preprocess", ("-c", "2d"), "preprocess 2d: 10/10")],
)
def test_progress_is_left_out_where_asked(prepared, monkeypatch, command, words, line):
    monkeypatch.setattr("nnplug_cli.progress.SHOWN_AFTER", 0.0)
    assert line in prepared.expect(f"nnUNetv2_{command}", "-d", 999, *words).stderr
    assert line not in prepared.expect(f"nnUNetv2_{command}", "-d", 999, *words, "--no_pbar").stderr


def test_a_configuration_that_the_plans_lack_is_left_out(prepared):
    done = prepared.expect("nnUNetv2_preprocess", "-d", 999, "-c", "3d_lowres")
    assert "3d_lowres is left out" in done.stderr


def test_faults_of_the_data_stop_with_all_of_them(prepared, write_dataset, tmp_path):
    import numpy as np

    image, label = np.zeros((1, 8, 8, 8), np.float32), np.full((8, 8, 8), 7)
    write_dataset({"x": (image, label), "y": (image, label)}, name="Dataset001_A")
    done = prepared.run(
        "nnUNetv2_plan_and_preprocess",
        *("-d", 1, "--verify_dataset_integrity"),
        nnUNet_raw=str(tmp_path),
        nnUNet_preprocessed=str(tmp_path / "preprocessed"),
    )
    assert done.returncode == 1
    assert done.stderr.count("error: ") >= 2
    assert not (tmp_path / "preprocessed").exists()


def test_a_dataset_that_lists_its_files_is_prepared_with_its_folds(place, tmp_path):
    images = write_phantom(tmp_path / "images", cases=2, unseen=1, shape=(16, 20, 18))
    listed = place.raw.with_name("Dataset998_List")
    listed.mkdir(parents=True)
    cases = images.training_cases()
    for case in cases:
        label = read_label(case.label)
        write_label(case.label.with_name(f"{case.name}.nrrd"), label.array, label.geometry)
    files = {
        f"case{number}": {"images": [str(i) for i in c.images], "label": str(c.label.with_name(f"{c.name}.nrrd"))}
        for number, c in enumerate(cases)
    }
    (listed / "dataset.json").write_text(json.dumps({**images.description.raw, "dataset": files}))
    folds = [{"train": ["case1"], "val": ["case0"]}, {"train": ["case0"], "val": ["case1"]}]
    (listed / "splits_final.json").write_text(json.dumps(folds))
    place.expect("nnUNetv2_plan_and_preprocess", "-d", 998, "--verify_dataset_integrity", "-c", "3d_fullres", "-np", 1)
    prepared = place.root / "preprocessed" / listed.name
    assert json.loads((prepared / "splits_final.json").read_text()) == folds
    copied = read_label(prepared / "gt_segmentations" / "case0.nii.gz")
    assert (copied.array == read_label(cases[0].label).array).all()
    place.expect("nnUNetv2_plot_overlay_pngs", "-d", 998, "-o", tmp_path / "pictures", "--use_raw")
    assert sorted(path.name for path in (tmp_path / "pictures").glob("*.png")) == ["case0.png", "case1.png"]
    shutil.copytree(prepared / "gt_segmentations", tmp_path / "predictions")
    words = (listed, tmp_path / "predictions", "-l", 1, 2, "-o", tmp_path / "summary.json")
    place.expect("nnUNetv2_evaluate_simple", *words)
    assert json.loads((tmp_path / "summary.json").read_text())["foreground_mean"]["Dice"] == 1
