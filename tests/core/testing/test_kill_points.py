"""Every state of a folder in which a kill could leave it."""

from __future__ import annotations

import sys
import threading

from nnplug.runtime.files import write_text
from nnplug.testing.kill_points import FolderWatch, restore, spread


def states_of(tmp_path, work):
    watch = FolderWatch(tmp_path)
    with watch.watching():
        work(tmp_path)
    return watch.states


def test_a_file_that_is_renamed_into_place_is_whole_or_absent(tmp_path):
    def work(folder):
        write_text(folder / "state", "first")
        write_text(folder / "state", "second")

    assert states_of(tmp_path, work) == [{}, {"state": b"first"}, {"state": b"second"}]


def test_a_file_that_is_written_in_place_is_for_a_while_half_written(tmp_path):
    def work(folder):
        (folder / "state").write_text("abcdef")
        (folder / "state").unlink()

    assert {"state": b"abc"} in states_of(tmp_path, work)


def test_what_is_appended_leaves_the_earlier_lines_whole(tmp_path):
    def work(folder):
        for line in ("one\n", "two\n"):
            with (folder / "log").open("a") as log:
                log.write(line)

    states = states_of(tmp_path, work)
    assert {"log": b"one\ntw"} in states
    assert states[-1] == {"log": b"one\ntwo\n"}


def test_a_thread_that_writes_is_watched_too(tmp_path):
    def work(folder):
        thread = threading.Thread(target=lambda: (write_text(folder / "a", "1"), write_text(folder / "a", "2")))
        thread.start()
        thread.join()

    assert [state.get("a") for state in states_of(tmp_path, work)][-2:] == [b"1", b"2"]


def test_whoever_profiled_before_is_put_back(tmp_path):
    before = sys.getprofile(), threading.getprofile()
    states_of(tmp_path, lambda folder: write_text(folder / "a", "1"))
    assert (sys.getprofile(), threading.getprofile()) == before


def test_few_states_are_all_gone_on_from_and_many_are_spread():
    states = [{"a": bytes([i])} for i in range(100)]
    assert spread(states[:12]) == states[:12]
    chosen = spread(states)
    assert len(chosen) == 12
    assert (chosen[0], chosen[-1]) == (states[0], states[-1])


def test_a_state_is_written_to_another_folder(tmp_path):
    restore({"a": b"1", "sub/b": b"2"}, tmp_path / "other")
    assert (tmp_path / "other" / "sub" / "b").read_bytes() == b"2"
