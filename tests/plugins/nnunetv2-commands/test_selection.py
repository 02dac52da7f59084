"""`nnUNetv2_find_best_configuration`: the winner where nnU-Net has it, and how to predict with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

WORDS = ("-tr", "short", "-device", "cpu")


@pytest.fixture(scope="module")
def compared(trained):
    """Two configurations of two folds each, the probabilities of one kept."""
    plans = trained.preprocessed / "nnUNetPlans.json"
    data = json.loads(plans.read_text())
    data["configurations"]["other"] = {"inherits_from": "tiny", "batch_size": 3}
    plans.write_text(json.dumps(data))
    trained.expect("nnUNetv2_train", 999, "tiny", 1, *WORDS)
    for fold in (0, 1):
        trained.expect("nnUNetv2_train", 999, "other", fold, *WORDS, "--npz")
    return trained


def test_probabilities_of_the_validation_are_kept_where_asked(compared):
    validation = compared.model(configuration="other") / "fold_0" / "validation"
    cases = {path.name.removesuffix(".nii.gz") for path in validation.glob("*.nii.gz")}
    assert {path.stem for path in validation.glob("*.npz")} == cases
    assert not list(validation.glob("*.logits.zip"))


def test_the_best_weights_are_validated_into_the_same_folder(compared):
    summary = compared.model() / "fold_1" / "validation" / "summary.json"
    compared.expect("nnUNetv2_train", 999, "tiny", 1, *WORDS, "--val", "--val_best")
    assert summary.is_file()
    assert not (summary.parents[1] / "validation_best").exists()
    compared.expect("nnUNetv2_train", 999, "tiny", 1, *WORDS, "--val")


def test_configurations_and_their_ensemble_are_compared(compared):
    done = compared.expect(
        "nnUNetv2_find_best_configuration", 999, "-c", "tiny", "other", "huge", "-tr", "short", "-f", 0, 1
    )
    results = compared.model().parent
    information = json.loads((results / "inference_information.json").read_text())
    assert len(information["all_results"]) == 3
    best = information["best_model_or_ensemble"]
    rule = json.loads(Path(best["postprocessing_file"]).read_text())
    assert {"postprocessing_fns", "postprocessing_kwargs"} == rule.keys()
    instructions = (results / "inference_instructions.txt").read_text()
    assert instructions in done.stdout
    assert f"-pp_pkl_file {best['postprocessing_file']}" in instructions
    assert (results / "selected").is_dir()


def test_a_fold_that_nnunet_trained_is_named_with_what_takes_it(compared):
    fold = compared.model(configuration="other") / "fold_2"
    fold.mkdir()
    (fold / "checkpoint_final.pth").touch()
    words = ("nnUNetv2_find_best_configuration", 999, "-c", "tiny", "other", "-tr", "short", "-f", 0, 1, 2)
    done = compared.run(*words)
    shutil.rmtree(fold)
    assert done.returncode == 1
    assert "fold_2: was trained by nnU-Net v2, and nnplug compares only folds that it trained." in done.stderr


def test_single_configurations_alone_are_compared_and_what_is_there_is_kept(compared):
    words = ("nnUNetv2_find_best_configuration", 999, "-c", "tiny", "other", "-tr", "short", "-f", 0, 1, "-np", 1)
    compared.expect(*words, "-p", "nnUNetPlans", "--disable_ensembling")
    results = compared.model().parent
    information = json.loads((results / "inference_information.json").read_text())
    assert set(information["all_results"]) == {"tiny", "other"}
    assert information["ensembling_allowed"] is False
    compared.expect(*words)
    kept = {path: path.stat().st_mtime_ns for path in results.glob("crossval_short/*+*/*.nii.gz")}
    assert len(kept) == 4, "what was averaged over the two models"
    compared.expect(*words)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_no_overwrite_keeps_label_maps_and_scores_and_adds_what_is_absent(compared):
    """As nnU-Net 2.8.1: existing label maps and their scores stay even if they are outdated."""
    words = ("nnUNetv2_find_best_configuration", 999, "-c", "tiny", "-tr", "short", "-f", 0, 1, "-np", 1)
    compared.expect(*words)
    folders = (compared.model().parent / "crossval_short" / "tiny", compared.model() / "crossval_results_folds_0_1")
    first, absent, *_ = sorted(path.name for path in folders[1].glob("*.nii.gz"))
    times = {}
    for folder in folders:
        shutil.copyfile(folder / absent, folder / first)  # an outdated label map
        times |= {path: path.stat().st_mtime_ns for path in (*folder.glob("*.nii.gz"), folder / "summary.json")}

    compared.expect(*words, "--no_overwrite")
    assert {path: path.stat().st_mtime_ns for path in times} == times

    for folder in folders:
        (folder / absent).unlink()
    compared.expect(*words, "--no_overwrite")
    for folder in folders:
        assert (folder / absent).is_file()
        assert (folder / first).stat().st_mtime_ns == times[folder / first]
        assert (folder / "summary.json").stat().st_mtime_ns > times[folder / "summary.json"]

    compared.expect(*words)
    predicted = next(compared.model().glob(f"fold_*/validation/{first}")).read_bytes()
    assert {(folder / first).read_bytes() for folder in folders} == {predicted}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("-tr", "short", "nnUNetTrainer"), "-tr short nnUNetTrainer: the configurations of one trainer are compared"),
        (("-tr", "short", "-f", "all"), "-f all: fold all is validated on its own training cases"),
        (("-tr", "nnUNetTrainer"), "no such model; train with nnUNetv2_train"),
        (("-tr", "short", "-p", "other"), "other.json: no such plans"),
    ],
)
def test_mistakes_are_told(trained, words, line):
    done = trained.run("nnUNetv2_find_best_configuration", 999, *words)
    assert done.returncode == 1
    assert line in done.stderr
