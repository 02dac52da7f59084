"""Plans in nnU-Net's layout name a reader, which must be the one of `dataset.json`."""

from __future__ import annotations

import json

import pytest

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile
from nnplug.io.readers import Readers, core_readers
from nnplug.registry.components import Entry, Source
from nnplug.registry.reader_entry import ReaderComponent
from nnplug_nnunetv2_commands.plans_files import check_reader

RAW = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 1, "file_ending": ".nii.gz"}
TURNED = ReaderComponent("turned", "lab:Reader", "", endings=(".nii.gz",), dataset_names={"TurnedIO": (".nii.gz",)})
READERS = Readers((*core_readers().entries, Entry(TURNED, Source("lab", "nnplug-lab", "1.0"))))


@pytest.fixture
def plans(tmp_path):
    def write(reader):
        (tmp_path / "plans.json").write_text(json.dumps({"image_reader_writer": reader, "configurations": {}}))
        return tmp_path / "plans.json"

    return write


def test_both_name_one_reader(plans):
    description = DatasetDescription.from_data(RAW, "dataset.json")
    check_reader(plans("SimpleITKIO"), description, READERS)
    chosen = DatasetDescription.from_data(RAW | {"overwrite_image_reader_writer": "TurnedIO"}, "dataset.json")
    check_reader(plans("TurnedIO"), chosen, READERS)


def test_another_reader_in_the_plans_is_quoted_with_both_remedies(plans):
    description = DatasetDescription.from_data(RAW, "dataset.json")
    message = (
        r"plans\.json: image_reader_writer is 'TurnedIO', but dataset\.json means another reader\. "
        r'Write "overwrite_image_reader_writer": "TurnedIO" into dataset\.json, or plan again'
    )
    with pytest.raises(InvalidFile, match=message):
        check_reader(plans("TurnedIO"), description, READERS)
    with pytest.raises(InvalidFile, match="image_reader_writer: the reader is 'NoSuchIO', but no installed reader"):
        check_reader(plans("NoSuchIO"), description, READERS)


def test_the_default_reader_stands_for_those_that_nnunet_chooses_by_the_ending(plans):
    """Other distributions may offer a reader of their own under the same name."""
    own = ReaderComponent("own", "lab:Reader", "", endings=(".tif",), dataset_names={"Tiff3DIO": (".tif",)})
    readers = Readers((*core_readers().entries, Entry(own, Source("lab", "nnplug-lab", "1.0"))))
    description = DatasetDescription.from_data(RAW | {"file_ending": ".tif"}, "dataset.json")
    check_reader(plans("Tiff3DIO"), description, readers)
    chosen = DatasetDescription.from_data(RAW | {"file_ending": ".tif", "reader": "simpleitk"}, "dataset.json")
    with pytest.raises(InvalidFile, match="means another reader"):
        check_reader(plans("Tiff3DIO"), chosen, readers)
