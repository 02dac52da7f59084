"""The short form of the campaign: a few operations of each kind; and that faults are found."""

from functools import partial

import pytest
from tests.torture import disk
from tests.torture.disk import Campaign, Expected, half_written, told_badly
from tests.torture.results import Lines
from tests.torture.server import Done
from tests.torture.tree import contents


@pytest.fixture
def campaign(tmp_path, server):
    return Campaign(tmp_path, server)


def test_a_disk_that_fails_is_told_in_a_line_and_the_command_goes_on_later(campaign, monkeypatch, tmp_path):
    last = [step.name for step in disk.STEPS].index("preprocess") + 1
    monkeypatch.setattr(disk, "STEPS", disk.STEPS[:last])
    lines = Lines(tmp_path / "lines.jsonl")
    for line in disk.trials(campaign, lines, partial(disk.spread, most=4), only=["fingerprint", "preprocess"]):
        lines.add(line)
    assert len(lines.past) == 40
    assert [line for line in lines.past if line["faults"]] == []
    assert {line["mode"] for line in lines.past if line["code"] == 1} == set(disk.MODES)
    assert any("No space left on device" in told for line in lines.past for told in line["told"])


def test_of_operations_on_files_of_one_kind_the_first_and_the_last_fail():
    writes = [
        f"write /d/.{letters}-case_00{number}.npy"
        for number, letters in enumerate(("0a1b2c3d", "ffffffff", "12345678"))
    ]
    assert disk.first_and_last(["mkdir /d", *writes, "rename /d/.0a1b2c3d-case_000.npy"]) == [1, 2, 4, 5]
    assert disk.spread(writes, most=9) == [1, 2, 3]


@pytest.mark.parametrize(
    ("code", "told", "fault"),
    [
        (1, "Traceback (most recent call last):\nerror: /d/a: full. Free some space.", "traceback"),
        (1, "error: it failed. Free some space.", "names no file"),
        (1, "error: /d/a: No space left on device", "has no remedy"),
        (1, "nothing", "code 1"),
        (-6, "error: /d/a: full. Free some space.", "code -6"),
    ],
)
def test_bad_messages_are_found(code, told, fault):
    (found,) = told_badly(Done(code, told, "write"), "/d")
    assert found.startswith(fault)


def test_half_written_and_lost_files_are_found(tmp_path):
    for name in ("a.json", "b.npy", "c.txt"):
        (tmp_path / name).write_text("{}")
    before = contents(tmp_path)
    assert half_written(tmp_path, Expected(before, before)) == []
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "c.txt").unlink()
    assert half_written(tmp_path, Expected(before, before)) == [
        "half written: a.json",
        "half written: b.npy",
        "lost: c.txt",
    ]
