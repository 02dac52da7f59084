from __future__ import annotations

import json
import pickle

import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile

RAW = {
    "channel_names": {"0": "T1", "1": "T2"},
    "labels": {"background": 0, "a": 1},
    "numTraining": 2,
    "file_ending": ".nii.gz",
}


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
