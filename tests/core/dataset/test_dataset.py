from __future__ import annotations

import json
from pathlib import Path

import pytest

from nnplug.dataset.dataset import Dataset, find_dataset
from nnplug.errors import InvalidFile, NnplugError

RAW = {
    "channel_names": {"0": "T1", "1": "T2"},
    "labels": {"background": 0, "a": 1},
    "numTraining": 2,
    "file_ending": ".nii.gz",
}


@pytest.fixture
def folder(tmp_path) -> Path:
    return make(tmp_path / "Dataset004_Ball")


def make(folder: Path, **changes) -> Path:
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    (folder / "dataset.json").write_text(json.dumps(RAW | changes))
    for name in ("b", "a"):
        (folder / "labelsTr" / f"{name}.nii.gz").touch()
        for channel in (1, 0):
            (folder / "imagesTr" / f"{name}_{channel:04d}.nii.gz").touch()
    return folder


def test_cases_come_by_name_with_channels_in_order(folder):
    dataset = Dataset.open(folder)
    first, second = dataset.training_cases()
    assert (dataset.name, first.name, second.name) == ("Dataset004_Ball", "a", "b")
    assert [path.name for path in first.images] == ["a_0000.nii.gz", "a_0001.nii.gz"]
    assert first.label == folder / "labelsTr" / "a.nii.gz"


def test_other_files_and_folders_are_left_out(folder):
    for name in ("notes.txt", "a_2.nii.gz", "_0000.nii.gz", ".a_0000.nii.gz", "c_0000.nii", "c_00000.nii.gz.bak"):
        (folder / "imagesTr" / name).touch()
    (folder / "imagesTs_old").mkdir()
    assert [case.name for case in Dataset.open(folder).training_cases()] == ["a", "b"]


def test_file_endings_may_be_in_upper_case(folder):
    """Scanners' exports write them so; of two spellings of one file, that of `dataset.json` is taken."""
    for path in (folder / "imagesTr" / "c_0000.NII.GZ", folder / "labelsTr" / "c.Nii.gz"):
        path.touch()
    (folder / "imagesTr" / "a_0000.NII.GZ").touch()
    first, _, last = Dataset.open(folder).training_cases()
    assert first.images[0].name == "a_0000.nii.gz"
    assert (last.name, last.images[0].name) == ("c", "c_0000.NII.GZ")
    assert last.label == folder / "labelsTr" / "c.Nii.gz"


def test_files_may_be_listed(tmp_path, monkeypatch):
    monkeypatch.setenv("ELSEWHERE", str(tmp_path))
    files = {"x": {"images": ["raw/x.nii.gz", "/data/y.nii.gz"], "label": "$ELSEWHERE/l.nii.gz"}}
    folder = make(tmp_path / "d", dataset=files)
    (case,) = Dataset.open(folder).training_cases()
    assert case.images == (folder / "raw/x.nii.gz", Path("/data/y.nii.gz"))
    assert case.label == tmp_path / "l.nii.gz"


def test_a_dataset_without_cases_says_what_was_expected(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps(RAW))
    with pytest.raises(NnplugError, match=r"no training cases; expected imagesTr/CASE_0000\.nii\.gz and labelsTr"):
        Dataset.open(tmp_path).training_cases()


def test_a_folder_that_is_no_dataset_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InvalidFile, match="file: a file; give the dataset's folder"):
        Dataset.open(tmp_path / "file")
    with pytest.raises(InvalidFile, match="gone: no such folder; give the dataset's folder"):
        Dataset.open(tmp_path / "gone")
    with pytest.raises(InvalidFile, match=r"has no dataset\.json; give the dataset's folder"):
        Dataset.open(tmp_path)


def test_a_link_has_its_own_name(folder):
    """nnU-Net users link their data to Dataset123_NAME: results must not go to the name of the target."""
    link = folder.with_name("Dataset802_Link")
    link.symlink_to(folder)
    assert Dataset.open(link).name == "Dataset802_Link"
    assert Dataset.open(folder / "imagesTr" / "..").name == folder.name


@pytest.mark.parametrize("reference", ["4", "004", "Dataset004_Ball"])
def test_a_dataset_is_found_by_number_and_name(reference, folder):
    assert find_dataset(reference, folder.parent) == folder


def test_a_path_needs_no_raw_folder(folder):
    assert find_dataset(str(folder), None) == folder


def test_a_dataset_that_is_not_found_lists_what_is_there(folder):
    with pytest.raises(NnplugError, match=r"7: no such dataset; nnUNet_raw \(.*\) holds Dataset004_Ball\."):
        find_dataset("7", folder.parent)
    with pytest.raises(NnplugError, match=r"Dataset004_Cube: no such dataset; .* holds Dataset004_Ball"):
        find_dataset("Dataset004_Cube", folder.parent)
    with pytest.raises(NnplugError, match="holds no dataset"):
        find_dataset("7", folder)


def test_two_datasets_of_one_number_are_both_named(folder):
    make(folder.parent / "Dataset004_Cube")
    with pytest.raises(NnplugError, match="2 datasets have that number; .* holds Dataset004_Ball, Dataset004_Cube"):
        find_dataset("4", folder.parent)


def test_a_number_without_a_raw_folder_says_so():
    with pytest.raises(NnplugError, match="4: no such folder, and nnUNet_raw is not set"):
        find_dataset("4", None)
