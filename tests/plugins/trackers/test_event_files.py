"""Event files end with a whole epoch, whatever a kill leaves, and TensorBoard reads on behind it."""

from __future__ import annotations

import pytest

from nnplug.contracts import LogLine, TrackedRun
from nnplug_trackers.event_files import EventFile, count_epochs, event_files, read_events
from nnplug_trackers.tensorboard_tracker import TensorBoardTracker

from . import reading

ID = "00ff00ff00ff00ff"


def send(folder, epochs, *, kept=None):
    """Send epochs to a tracker that is not ended, as if it were killed; gives the result of `begin`."""
    tracker = TensorBoardTracker(folder=kept)
    first = tracker.begin(TrackedRun("a/b", ID, folder, {"epochs": 9, "note": None, "on": True}, ("organ",)))
    for epoch in epochs:
        tracker.log_epoch(LogLine(epoch=epoch, learning_rate=0.1, train_loss=epoch, dice=(0.5,), seconds=1))
    return first


@pytest.mark.parametrize("cut", [1, 7, 40, 80])
def test_an_epoch_that_a_kill_cut_short_is_sent_again(tmp_path, cut):
    assert send(tmp_path, range(3)) == 0
    (file,) = event_files(tmp_path, ID)
    content = file.read_bytes()
    file.write_bytes(content[:-cut])
    assert count_epochs(tmp_path, ID) == 2
    assert send(tmp_path, range(2, 4)) == 2
    losses = reading.by_tensorboard(tmp_path).Scalars("train_loss")
    assert [(one.step, one.value) for one in losses] == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_zeros_that_a_crash_of_the_machine_left_end_a_file(tmp_path):
    send(tmp_path, range(2))
    (file,) = event_files(tmp_path, ID)
    with file.open("ab") as opened:
        opened.write(bytes(100))
    assert len(list(read_events(file))) == 1 + 3 + 2  # version; experiment, session and table of parameters; epochs
    assert count_epochs(tmp_path, ID) == 2


def test_starts_in_one_second_have_files_of_their_own(tmp_path):
    for number in range(3):
        EventFile(tmp_path, ID).add_scalars({"learning_rate": 1.0}, number)
    assert len(event_files(tmp_path, ID)) == 3
    assert count_epochs(tmp_path, ID) == 3
    assert count_epochs(tmp_path, "1" * 16) == 0


def test_a_folder_of_all_trainings_has_one_for_each(tmp_path):
    send(tmp_path / "run", range(2), kept=tmp_path / "all")
    assert count_epochs(tmp_path / "all" / "a" / "b" / ID, ID) == 2
    assert not (tmp_path / "run").exists()
