import json

import pytest

from nnplug.errors import InvalidFile
from nnplug.workspace.run_record import RunRecord, installed_versions

RECORD = RunRecord(
    dataset="D",
    plans="nnunet",
    plans_digest="abc",
    configuration="2d",
    fold="all",
    seed=1,
    command=("nnplug", "train", "with space"),
    providers=(),
    versions=installed_versions(()),
    mirror_axes=(0, 1),
    training=("a",),
    validation=("a",),
    created="2026-01-01T00:00:00+00:00",
)


def test_a_record_comes_back_as_it_was_written(tmp_path):
    RECORD.write(tmp_path / "run.json")
    assert RunRecord.read(tmp_path / "run.json") == RECORD


def test_versions_name_what_numbers_depend_on():
    assert {"python", "torch", "numpy", "nnplug-core"} <= set(RECORD.versions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 99}, "run has schema 99, this nnplug reads up to 1. Upgrade nnplug."),
        ({"schema": None}, "no run of nnplug"),
        ({"extra": 1}, "extra"),
    ],
)
def test_records_that_cannot_be_read_are_named(tmp_path, change, message):
    file = tmp_path / "run.json"
    file.write_text(json.dumps({**RECORD.data(), **change}))
    with pytest.raises(InvalidFile, match=message) as error:
        RunRecord.read(file)
    assert str(file) in str(error.value)
