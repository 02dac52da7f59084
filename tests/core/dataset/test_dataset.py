from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug.dataset.dataset import Dataset, DatasetDescription, find_dataset, group_channels, image_cases
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


def test_images_to_predict_need_no_labels(folder):
    (folder / "imagesTs").mkdir()
    (folder / "imagesTs" / "new_0000.nii.gz").touch()
    (case,) = image_cases(folder / "imagesTs", ".nii.gz")
    assert (case.name, case.label) == ("new", None)
    assert image_cases(folder / "nowhere", ".nii.gz") == ()


@given(st.dictionaries(st.from_regex(r"[a-z]([a-z_0-9.]{0,6}[a-z0-9])?", fullmatch=True), st.integers(1, 4)))
def test_grouping_finds_every_case_whatever_its_name(cases):
    files = [Path(f"{name}_{channel:04d}.png") for name, count in cases.items() for channel in range(count)]
    found = group_channels(reversed(files), ".png")
    assert {case.name: len(case.images) for case in found} == cases


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


@pytest.mark.parametrize("reader", ["None", "SimpleITKIO", "NibabelIO"])
def test_readers_that_read_as_the_default_does_are_honoured(reader):
    description = DatasetDescription.from_data(RAW | {"overwrite_image_reader_writer": reader}, "d.json")
    assert description.readers(None, "d.json").preferred == "simpleitk"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"overwrite_image_reader_writer": "SimpleITKIOWithReorient"},
            r"is 'SimpleITKIOWithReorient', but no .*nii\.gz'",
        ),
        ({"overwrite_image_reader_writer": "Tiff3DIO"}, "one of simpleitk, SimpleITKIO, NibabelIO or remove the line"),
        ({"reader": "simpleitc"}, "the reader is 'simpleitc', but no .*Install a plugin with a reader"),
        ({"file_ending": ".jpg"}, r"'file_ending' is '\.jpg'; nnplug reads \.nii\.gz, .*\(readers: simpleitk\)"),
        ({"reader": "simpleitk", "file_ending": ".npy"}, r"'file_ending' is '\.npy'; nnplug reads \.nii\.gz"),
    ],
)
def test_a_reader_that_is_not_there_is_quoted_with_those_that_are(changes, message, tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps(RAW | changes))
    with pytest.raises(InvalidFile, match=f"dataset.json: .*{message}"):
        Dataset.open(tmp_path)


def test_nnplugs_own_key_names_the_reader_before_nnunets(tmp_path):
    keys = {"reader": "simpleitk", "overwrite_image_reader_writer": "NibabelIOWithReorient"}
    (tmp_path / "dataset.json").write_text(json.dumps(RAW | keys))
    assert Dataset.open(tmp_path).reader.name == "simpleitk"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overwrite_image_reader_writer": 1}, "'overwrite_image_reader_writer' is 1; expected the name of a reader"),
        ({"reader": ["simpleitk"]}, r"'reader' is \['simpleitk'\]; expected the name of a reader, or no such line"),
        ({"channel_names": {}}, r"'channel_names' is \{\}"),
        ({"channel_names": ["CT"]}, r"'channel_names' is \['CT'\]; expected names under"),
        ({"channel_names": {"0": "CT", "2": "PET"}}, "'channel_names' is .*without a gap"),
        (
            {"file_ending": "nii.gz"},
            r"'file_ending' is 'nii\.gz'; expected an ending with its dot",
        ),
        ({"numTraining": "2"}, "'numTraining' is '2'; expected the number of training cases"),
        ({"numTraining": True}, "'numTraining' is True"),
        ({"numTraining": 0}, "'numTraining' is 0"),
        ({"dataset": ["a"]}, r"'dataset' is \['a'\]; expected"),
        ({"dataset": {"a": {"images": ["x"]}}}, r"'dataset' has \{'images': \['x'\]\} for case 'a'; expected"),
        ({"dataset": {"a": 1}}, "'dataset' has 1 for case 'a'; expected"),
        ({"labels": {"background": 0, "a": 3}}, "label values are"),
    ],
)
def test_what_breaks_the_rules_is_quoted(changes, message):
    with pytest.raises(InvalidFile, match=f"d.json: .*{message}"):
        DatasetDescription.from_data(RAW | changes, "d.json")


def test_missing_keys_are_all_named():
    with pytest.raises(InvalidFile, match=r"d\.json: channel_names, numTraining missing"):
        DatasetDescription.from_data({"labels": {}, "file_ending": ".png"}, "d.json")


def test_a_description_that_is_no_object_is_refused():
    with pytest.raises(InvalidFile, match="expected an object with channel_names"):
        DatasetDescription.from_data([], "d.json")


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


def test_all_faults_of_the_file_are_told_at_once():
    raw = RAW | {"labels": {"0": "background", "1": "a"}, "numTraining": "2", "channel_names": ["CT"]}
    with pytest.raises(InvalidFile) as caught:
        DatasetDescription.from_data(raw, "d.json")
    channels, labels, count = caught.value.lines
    assert channels.endswith('; write {"0": "CT"}')
    assert labels.endswith('has names and values exchanged; write "labels": {"background": 0, "a": 1}')
    assert "'numTraining' is '2'" in count
    assert pickle.loads(pickle.dumps(caught.value)).lines == caught.value.lines


def test_a_description_of_version_1_is_recognised():
    raw = {"modality": {"0": "CT"}, "labels": {"0": "background", "1": "a"}, "numTraining": 3}
    with pytest.raises(InvalidFile, match=r"d\.json: is a dataset\.json of nnU-Net v1 .*converter nnunet-v1"):
        DatasetDescription.from_data(raw, "d.json")
