"""A dataset that changes after it was trained: what is stale is told, and what was set is kept."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug.plans.plans import read_plans
from nnplug_cli.main import main

SMALL = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "trainer.epochs=1"),
    *("--set", "trainer.iterations_per_epoch=1", "--set", "trainer.val_iterations_per_epoch=1"),
)
PLAIN = ("--workers", "1", "--no-mirroring", "--device", "cpu")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A phantom with a trained fold 0 of 2d."""
    folder = tmp_path_factory.mktemp("changed")
    dataset = write_phantom(folder / "Dataset999_Phantom", cases=5, unseen=1, shape=(12, 20, 18)).folder
    result = nnplug("run", dataset, "-w", folder / "w", "-c", "2d", "-f", "0", *SMALL, *PLAIN)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def place(made, tmp_path):
    """A copy of dataset and workspace, with the times of its files."""
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def nnplug(*words):
    return CliRunner().invoke(main, [*map(str, words)])


def run(place, *words):
    return nnplug("run", place / "Dataset999_Phantom", "-w", place / "w", "-c", "2d", *words, *PLAIN)


def describe(place, **changes):
    file = place / "Dataset999_Phantom" / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def plans(place):
    return read_plans(place / "w" / "Dataset999_Phantom" / "plans" / "nnunet.json")


def one_line(result):
    return " ".join(result.stderr.split())


def test_a_corrected_channel_name_changes_the_normalisation_and_keeps_what_was_set(place):
    file = place / "w" / "Dataset999_Phantom" / "plans" / "nnunet.json"
    file.write_text(file.read_text().replace('"batch_size": ', '"batch_size": 1'))  # by hand
    size = plans(place).configurations["2d"].batch_size
    describe(place, channel_names={str(channel): "CT" for channel in range(len(plans(place).intensity))})
    result = run(place, "-f", "1", "--until", "plan")
    assert result.exit_code == 0, result.output
    assert {one.name for one in plans(place).configurations["2d"].normalization} == {"ct"}
    assert plans(place).configurations["2d"].batch_size == size
    assert plans(place).choices["trainer"].options["epochs"] == 1
    assert plans(place).choices["planner"].options["base_features"] == 4
    assert "plans 'nnunet' change: configurations.2d.normalization: [{'name': 'ct'" in one_line(result)
    again = run(place, "-f", "1", "--until", "plan")
    assert "plans 'nnunet' change" not in one_line(again), "they are up to date now"


def test_another_name_without_a_normalisation_of_its_own_keeps_what_was_changed_by_hand(place):
    file = place / "w" / "Dataset999_Phantom" / "plans" / "nnunet.json"
    file.write_text(file.read_text().replace('"batch_size": ', '"batch_size": 1'))
    raw = json.loads((place / "Dataset999_Phantom" / "dataset.json").read_text())
    size = plans(place).configurations["2d"].batch_size
    describe(place, channel_names={key: f"{name} FLAIR" for key, name in raw["channel_names"].items()})
    result = run(place, "-f", "1", "--until", "plan")
    assert result.exit_code == 0, result.output
    assert plans(place).configurations["2d"].batch_size == size


def test_a_new_case_keeps_the_components_and_options_that_were_set(place):
    words = ("-f", "1", "--until", "plan")
    assert run(place, *words, "--trainer", "fast", "--set", "trainer.optimizer=muon").exit_code == 0
    folder, number = place / "Dataset999_Phantom", 5
    (unseen,) = {path.name.rsplit("_", 1)[0] for path in (folder / "imagesTs").glob("*.nii.gz")}
    for image in (folder / "imagesTs").glob("*.nii.gz"):
        shutil.copy(image, folder / "imagesTr")
    shutil.copy(folder / "labelsTs" / f"{unseen}.nii.gz", folder / "labelsTr")
    describe(place, numTraining=number + 1)
    result = run(place, *words)
    assert result.exit_code == 0, result.output
    assert plans(place).choices["trainer"].name == "fast"
    assert plans(place).choices["trainer"].options["optimizer"] == "muon"


def test_other_labels_are_refused_for_begun_folds_and_not_mixed_with_them(place):
    home = place / "w" / "Dataset999_Phantom"
    runs, stored = home / "runs" / "nnunet" / "2d", sorted((home / "preprocessed").rglob("case.json"))
    before = [file.stat().st_mtime_ns for file in stored]
    raw = json.loads((place / "Dataset999_Phantom" / "dataset.json").read_text())
    describe(place, labels={**raw["labels"], "more": max(raw["labels"].values()) + 1})
    for words in ((), ("--set", "trainer.epochs=2")):
        refused = run(place, "-f", "0", *words)
        assert refused.exit_code == 1
        assert "fold_0: was begun with other values (labels of dataset.json)" in one_line(refused)
    longer = ("--set", "trainer.epochs=2", "--device", "cpu", "--no-mirroring", "--workers", "1")
    refused = nnplug("train", place / "Dataset999_Phantom", "-w", place / "w", "-c", "2d", "-f", "0", *longer)
    assert "fold_0: was begun with other values (labels of dataset.json)" in one_line(refused)
    assert before, "nothing was preprocessed"
    assert [file.stat().st_mtime_ns for file in stored] == before
    assert (runs / "fold_0" / "validation" / "summary.json").exists()
    other = run(place, "-f", "1")
    assert other.exit_code == 0, other.output
    assert "also has what was trained before" not in one_line(other)
    mixed = nnplug("model", "export", runs, "-o", place / "b.zip")
    assert mixed.exit_code == 1
    assert "has other labels than" in one_line(mixed)


def test_renamed_labels_go_on(place):
    raw = json.loads((place / "Dataset999_Phantom" / "dataset.json").read_text())
    describe(place, labels={f"{name}s" if value else name: value for name, value in raw["labels"].items()})
    assert run(place, "-f", "0").exit_code == 0


def test_changed_label_maps_are_told_and_trained_again_with_fresh(place):
    label = min((place / "Dataset999_Phantom" / "labelsTr").glob("*.nii.gz"))
    image = sitk.ReadImage(str(label))
    changed = sitk.GetImageFromArray(np.where(sitk.GetArrayViewFromImage(image) == 2, 1, sitk.GetArrayFromImage(image)))
    changed.CopyInformation(image)
    sitk.WriteImage(sitk.Cast(changed, image.GetPixelID()), str(label))
    told = run(place, "-f", "0")
    assert told.exit_code == 0
    assert f"the files of case {label.name[:-7]} have changed since its start" in one_line(told)
    weights = place / "w" / "Dataset999_Phantom" / "runs" / "nnunet" / "2d" / "fold_0" / "weights_final.safetensors"
    before = weights.stat().st_mtime_ns
    fresh = run(place, "-f", "0", "--fresh")
    assert fresh.exit_code == 0
    assert weights.stat().st_mtime_ns > before
    assert "have changed since its start; it is trained again from the start" in one_line(fresh)
    assert "have changed" not in one_line(run(place, "-f", "0"))


def test_a_copy_with_other_times_is_the_same_dataset(place):
    for file in (place / "Dataset999_Phantom").rglob("*.nii.gz"):
        os.utime(file, (1, 1))
    result = run(place, "-f", "0")
    assert result.exit_code == 0
    assert "have changed" not in one_line(result)


def test_fresh_tells_that_a_finished_fold_with_the_same_values_stays(place):
    result = run(place, "-f", "0", "--fresh")
    assert result.exit_code == 0
    assert "fold_0: is finished with the same values, and stays. nnplug train --fresh" in one_line(result)


def test_a_configuration_of_kept_options_is_known(tmp_path):
    dataset = write_phantom(tmp_path / "Dataset999_Phantom", cases=5, unseen=0, shape=(24, 40, 36)).folder
    where = ("run", dataset, "-w", tmp_path / "w", "--until", "plan", "--workers", "1")
    small = nnplug(*where, *SMALL, "--memory-gb", "0.001")
    assert small.exit_code == 0, small.output
    result = nnplug(*where, "-c", "3d_lowres")
    assert result.exit_code == 0, result.output
    wrong = nnplug(*where, "-c", "3d_loures")
    assert wrong.exit_code == 1
    assert "Did you mean '3d_lowres'?" in wrong.stderr
