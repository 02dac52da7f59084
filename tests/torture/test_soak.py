"""The short form of the campaign: a few calls of each loop, and what its judge sees."""

from __future__ import annotations

import pytest
from tests.torture.process import Process
from tests.torture.results import Lines
from tests.torture.soak import SAMPLES, Soak, grown, table


def lines(memory, files):
    return [
        {"loop": "predict", "seconds": 60 * k, "done": k, "memory": m * 1e6, "files": f, "threads": 3}
        for k, (m, f) in enumerate(zip(memory, files, strict=True))
    ]


def test_a_loop_notes_its_memory_files_and_threads(tmp_path):
    called = []
    Soak("predict", 0.01, Lines(tmp_path / "a.jsonl")).run(called.append)
    past = Lines(tmp_path / "a.jsonl").past
    assert 1 < len(past) <= SAMPLES + 2
    assert called == list(range(past[-1]["done"]))
    assert past[-1]["memory"] > 10e6
    assert past[-1]["files"] >= 3
    assert table(past)[1][0][0] == "prediction through Predictor"


@pytest.mark.parametrize(
    ("memory", "files", "told"),
    [
        ([100] + [300] * 9, [5] * 10, []),
        ([100 + 10 * k for k in range(10)], [5] * 10, ["memory"]),
        ([300] * 10, [5, 5, 5, 5, 6, 6, 7, 7, 8, 9], ["files"]),
    ],
)
def test_the_judge_sees_what_grows_after_the_first_fifth(memory, files, told):
    assert grown(lines(memory, files)) == told


def test_a_file_that_is_opened_is_counted(tmp_path):
    before = Process.own().sample()["files"]
    with (tmp_path / "a").open("w"):
        assert Process.own().sample()["files"] == before + 1
    assert Process.own().peak() >= Process.own().sample()["memory"] - (1 << 20)
