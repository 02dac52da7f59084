"""The run log: what is written is read, old logs too, and other lines are refused with file, line and key."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnplug.contracts import LogLine, append_log, read_log, truncate_log
from nnplug.errors import InvalidFile

OLD = (
    '{"epoch": 0, "lr": 0.01, "train_loss": 0.5, "val_loss": 0.25, "dice": [0.5, null], "mean_dice": 0.5, '
    '"smoothed_dice": 0.5, "seconds": 3.25, "wait_seconds": 0.125}'
)
"""A line as nnplug's training loop wrote it before the log had a type."""
LINE = LogLine(
    epoch=0,
    learning_rate=0.01,
    train_loss=0.5,
    val_loss=0.25,
    dice=(0.5, None),
    mean_dice=0.5,
    smoothed_dice=0.5,
    seconds=3.25,
    wait_seconds=0.125,
)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log.jsonl"


def test_a_line_is_the_same_bytes_as_ever(log):
    append_log(log, LINE)
    assert log.read_text() == OLD + "\n"
    assert read_log(log) == [LINE]


def test_a_torn_last_line_is_left_out_and_no_file_is_no_line(log):
    assert read_log(log) == []
    log.write_text(OLD + "\n" + OLD[:20])
    assert read_log(log) == [LINE]


def test_optional_values_are_left_out(log):
    append_log(log, LogLine(epoch=3, learning_rate=0.1, train_loss=1, seconds=2))
    assert json.loads(log.read_text()) == {"epoch": 3, "lr": 0.1, "train_loss": 1, "seconds": 2}
    (line,) = read_log(log)
    assert (line.val_loss, line.dice, line.mean_dice, line.smoothed_dice, line.wait_seconds) == (None,) * 5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"epoch": 0, "loss": 1.0}', "unknown field 'loss'"),
        ('{"epoch": 0, "lr": 0.1, "seconds": 1}', "missing required field 'train_loss'"),
        (OLD.replace("0.25", '"low"', 1), r"Expected 'float \| null', got 'str' - at '\$.val_loss'"),
        ("epoch 0: loss 0.5", "'epoch 0: loss 0.5' is no JSON"),
    ],
)
def test_another_line_is_refused_with_its_number(log, text, reason):
    log.write_text(f"{OLD}\n{text}\n")
    with pytest.raises(InvalidFile, match=rf"log\.jsonl, line 2: .*{reason}"):
        read_log(log)


@pytest.mark.parametrize("loss", ["0.5", None, np.ones(2)])
def test_a_value_of_another_type_is_not_written(log, loss):
    with pytest.raises((ValueError, TypeError)):
        append_log(log, LogLine(epoch=0, learning_rate=0.1, train_loss=loss, seconds=1))
    assert not log.exists()


def test_a_resumed_training_forgets_later_epochs(log):
    for _ in range(3):
        append_log(log, LINE)
    truncate_log(log, 2)
    assert log.read_text() == 2 * (OLD + "\n")
    truncate_log(log, 0)
    assert read_log(log) == []
