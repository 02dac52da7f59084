from __future__ import annotations

import json
import re
import shlex

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.io.images import Geometry, read_label, write_image, write_label
from nnplug_cli.main import main
from nnplug_nnunet.converters import Pairs

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@pytest.fixture
def source(tmp_path):
    Pairs().example(tmp_path / "source")
    return tmp_path / "source"


def convert(*words):
    return CliRunner().invoke(main, ["dataset", "convert", *map(str, words)])


def test_a_dry_run_shows_the_pairing_and_writes_nothing(source, tmp_path):
    result = convert("pairs", source, tmp_path / "Dataset001_A", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == ["a", "images/scan_a.nii.gz", "labels/a_mask.nii.gz", "imagesTr"]
    assert "labels: {'background': 0, 'class_1': 1, 'class_2': 2}" in result.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["source"]
    shown = json.loads(convert("pairs", source, tmp_path / "Dataset001_A", "--dry-run", "--json").stdout)
    assert shown["dataset_json"]["numTraining"] == 2
    assert [case["to"]["case"] for case in shown["cases"]] == ["a", "b", "scan_c"]
    assert shown["cases"][2]["from"]["label"] is None


def test_a_dataset_is_made_and_verified(source, tmp_path):
    result = convert("pairs", source, tmp_path / "Dataset001_A", "--set", 'converter.channels=["CT"]')
    assert result.exit_code == 0
    assert "Dataset001_A: 2 cases read, 0 problems, 0 warnings" in result.stdout
    folder = tmp_path / "Dataset001_A"
    assert result.stdout.splitlines()[-2:] == [f"dataset: {folder}", f"next: nnplug run {folder}"]


def test_problems_of_the_source_end_with_1(source, tmp_path):
    result = convert("pairs", source, tmp_path / "D", "--set", 'converter.classes={"organ": 1}', "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["folder"] == str(tmp_path / "D")
    assert len(report["problems"]) == 2


def test_unknown_kinds_and_options_are_refused(source, tmp_path):
    assert "no converter is called 'pair'. Did you mean 'pairs'?" in convert("pair", source, tmp_path / "D").stderr
    result = convert("pairs", source, tmp_path / "D", "--set", "converter.image=a")
    assert "converter 'pairs' has no option 'image'. Did you mean 'images'?" in result.stderr
    result = convert("pairs", source, tmp_path / "D", "--set", "trainer.epochs=1")
    assert result.exit_code == 2
    assert "trainer.KEY has no use here; this command takes converter.KEY=VALUE" in result.stderr


def test_values_that_a_conversion_renumbered_come_back(tmp_path):
    shape, place = (4, 5, 6), Geometry((4, 5, 6), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    labels = np.resize(np.array([0, 7, 100], np.uint8), shape)
    for name in "ab":
        write_image(tmp_path / "s" / "images" / f"{name}.nii.gz", np.random.rand(*shape).astype(np.float32), place)
        write_label(tmp_path / "s" / "labels" / f"{name}.nii.gz", labels, place)
    assert convert("pairs", tmp_path / "s", tmp_path / "D").exit_code == 0
    assert set(read_label(tmp_path / "D" / "labelsTr" / "a.nii.gz").array.ravel()) == {0, 1, 2}
    words = ("dataset", "restore", tmp_path / "D" / "labelsTr", tmp_path / "back")
    done = CliRunner().invoke(main, [*map(str, words), "--dataset-json", str(tmp_path / "D" / "dataset.json")])
    assert done.exit_code == 0, done.output
    assert done.stdout == f"label maps: {tmp_path / 'back'}\n"
    assert np.array_equal(read_label(tmp_path / "back" / "a.nii.gz").array, labels)


def test_the_remedy_for_label_gaps_keeps_channels_and_names(tmp_path):
    source, new = tmp_path / "Dataset608_Gap", tmp_path / "Dataset609_New"
    place = Geometry((4, 5, 6), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    for name in "ab":
        for channel in (0, 1):
            image = np.full(place.shape, channel, np.float32)
            write_image(source / "imagesTr" / f"{name}_{channel:04d}.nii.gz", image, place)
        labels = np.resize(np.array([0, 1, 4], np.uint8), place.shape)
        write_label(source / "labelsTr" / f"{name}.nii.gz", labels, place)
    description = {"labels": {"background": 0, "node's": 4, "organ": 1}, "numTraining": 2, "file_ending": ".nii.gz"}
    (source / "dataset.json").write_text(json.dumps({"channel_names": {"0": "CT", "1": "PET"}, **description}))
    refused = CliRunner().invoke(main, ["verify", str(source)])
    told = " ".join(refused.stderr.split())
    found = re.search(r"nnplug (dataset convert pairs SOURCE DESTINATION .*), with one for each channel", told)
    filled = found[1].replace('["NAME", ..]', '["CT", "PET"]')
    filled = filled.replace('_0000.ENDING", ..]', '_0000.nii.gz", "imagesTr/{case}_0001.nii.gz"]')
    filled = filled.replace("SOURCE", str(source)).replace("DESTINATION", str(new))
    done = CliRunner().invoke(main, shlex.split(filled))
    assert done.exit_code == 0, done.output
    made = json.loads((new / "dataset.json").read_text())
    assert made["channel_names"] == {"0": "CT", "1": "PET"}
    assert made["labels"] == {"background": 0, "organ": 1, "node's": 2}
    changed = read_label(new / "labelsTr" / "a.nii.gz").array
    assert np.array_equal(changed, np.resize(np.array([0, 1, 2], np.uint8), place.shape))
