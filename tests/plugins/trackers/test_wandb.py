"""W&B's files are read back, also those of several blocks and those that a kill cut short."""

from __future__ import annotations

from nnplug.contracts import LogLine, TrackedRun
from nnplug_trackers.wandb_files import count_epochs, read_steps, wait_for_epochs
from nnplug_trackers.wandb_tracker import WandbTracker

from . import reading

ID = "00ff00ff00ff00ff"
CLASSES = tuple(f"organ {number}" for number in range(60))


def send(folder, epochs, **options):
    """Send epochs to a tracker; gives the result of `begin`."""
    tracker = WandbTracker(**options)
    first = tracker.begin(TrackedRun("a/b", ID, folder, {"epochs": 9}, CLASSES, sent=2))
    for epoch in epochs:
        tracker.log_epoch(LogLine(epoch=epoch, learning_rate=0.1, train_loss=1, dice=(0.5,) * 60, seconds=1))
    tracker.end(finished=False)
    return first


def test_a_file_of_several_blocks_counts_up_to_where_a_kill_cut_it(tmp_path):
    assert send(tmp_path, range(40)) == 0
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    content = file.read_bytes()
    assert len(content) > 3 * 32768
    assert list(read_steps(file)) == list(range(40))
    counts = []
    for length in range(0, len(content), 997):
        file.write_bytes(content[:length])
        counts.append(count_epochs(tmp_path, ID))
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert len(set(counts)) > 30
    file.write_bytes(content[: len(content) // 2])
    half = count_epochs(tmp_path, ID)
    assert 15 < half < 25
    assert send(tmp_path, range(half, 40)) == half
    assert [int(row["_step"]) for row in reading.wandb_rows(tmp_path)] == list(range(40))


def test_the_folder_is_the_option_or_the_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "variable"))
    run = TrackedRun("a/b", ID, tmp_path / "run", {}, ())
    for options, place in (({}, "variable"), ({"folder": tmp_path / "option"}, "option")):
        tracker = WandbTracker(**options)
        tracker.begin(run)
        tracker.end(finished=False)
        assert list((tmp_path / place).glob(f"wandb/offline-run-*/run-{ID}.wandb"))
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_disabled_counts_by_what_was_sent(tmp_path):
    assert send(tmp_path, range(2, 4), mode="disabled") == 2
    assert not list(tmp_path.glob("wandb/*run-*"))


def test_waiting_ends(tmp_path):
    wait_for_epochs(tmp_path, ID, 1, seconds=0.1)
    assert count_epochs(tmp_path, ID) == 0
