"""Lines of a log on a disk that is nearly full."""

from __future__ import annotations

import errno
import os

import pytest

from nnplug.runtime.output_log import append_line


def test_a_disk_that_takes_a_part_of_a_line_gets_the_rest(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:3]))
    append_line(tmp_path / "log", "eleven more")
    append_line(tmp_path / "log", "again")
    assert (tmp_path / "log").read_text() == "eleven more\nagain\n"


def test_a_line_that_is_cut_short_is_an_error_and_ended_by_the_next(tmp_path, monkeypatch):
    write = os.write

    def half(handle, data):
        monkeypatch.setattr(os, "write", full)
        return write(handle, data[:3])

    def full(handle, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(OSError, match="No space left"):
        append_line(tmp_path / "log", "eleven")
    monkeypatch.undo()
    append_line(tmp_path / "log", "more")
    assert (tmp_path / "log").read_text() == "ele\nmore\n"
