"""The readers of a model's images: that of the training first."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile, MissingProvider, NnplugError, UnknownComponent
from nnplug.io.readers import Readers, core_readers
from nnplug.models.model_components import model_readers
from nnplug.registry.components import Entry, Source
from nnplug.registry.provenance import Provider
from nnplug.registry.reader_entry import ReaderComponent

RAW = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 1, "file_ending": ".nii.gz"}


def entry(name: str) -> Entry:
    component = ReaderComponent(name, "lab:Reader", "", endings=(".nii.gz", ".lab"), dataset_names={"LabIO": (".lab",)})
    return Entry(component, Source("lab", "nnplug-lab", "1.0"))


@dataclass
class FakeMember:
    providers: tuple[Provider, ...] = ()


@dataclass
class FakeModel:
    """What `model_readers` asks of a model."""

    members: list[FakeMember] = field(default_factory=lambda: [FakeMember()])
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def description(self) -> DatasetDescription:
        return DatasetDescription.from_data(RAW | self.changes, "dataset.json")


LAB = entry("lab")
INSTALLED = Readers((*core_readers().entries, LAB))


def chosen(model: FakeModel, file: str = "a.nii.gz", name: str | None = None, readers: Readers = INSTALLED) -> str:
    return model_readers(model, readers, name).entry(Path(file)).name


def test_the_reader_of_the_training_reads_what_it_can_and_others_the_rest():
    trained = FakeModel([FakeMember((Provider.of(LAB),))])
    assert chosen(trained) == "lab"
    assert chosen(trained, "a.png") == "simpleitk"
    assert chosen(trained, name="simpleitk") == "simpleitk"


def test_older_models_mean_the_reader_of_their_dataset_json():
    assert chosen(FakeModel()) == "simpleitk"
    assert chosen(FakeModel(changes={"reader": "lab"})) == "lab"
    assert chosen(FakeModel(changes={"overwrite_image_reader_writer": "SimpleITKIO"})) == "simpleitk"
    with pytest.raises(InvalidFile, match="dataset.json of the model: the reader is 'NibabelIOWithReorient', but no"):
        chosen(FakeModel(changes={"overwrite_image_reader_writer": "NibabelIOWithReorient"}))


def test_a_reader_that_is_not_installed_is_named_with_its_distribution():
    trained = FakeModel([FakeMember((Provider.of(LAB),))])
    message = r"needs reader 'lab' from nnplug-lab 1\.0, which is not installed\. Run: pip install 'nnplug-lab==1\.0'"
    with pytest.raises(MissingProvider, match=message):
        chosen(trained, readers=core_readers())
    assert chosen(trained, name="simpleitk", readers=core_readers()) == "simpleitk"


def test_members_of_different_readers_need_a_choice():
    both = FakeModel([FakeMember((Provider.of(LAB),)), FakeMember((Provider.of(core_readers().entries[0]),))])
    with pytest.raises(NnplugError, match=r"trained with the readers lab and simpleitk\. Name one of lab, simpleitk"):
        chosen(both)
    assert chosen(both, name="lab") == "lab"
    with pytest.raises(UnknownComponent, match="no reader is called 'labs'"):
        chosen(both, name="labs")
