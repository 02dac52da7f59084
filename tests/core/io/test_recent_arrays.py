"""Small arrays are held, the latest ones as far as there is room."""

from __future__ import annotations

import numpy as np
import pytest

from nnplug.io.recent_arrays import RecentArrays


def array(value: int) -> np.ndarray:
    return np.full(10, value, np.uint8)


def test_those_used_longest_ago_are_forgotten():
    recent = RecentArrays(room=640)
    for value in range(64):
        recent.keep(value, array(value))
    assert recent.find(0)[0] == 0  # and is the latest now
    recent.keep(64, array(64))
    assert recent.find(1) is None
    assert [recent.find(value)[0] for value in (0, 2, 64)] == [0, 2, 64]


def test_an_array_kept_again_takes_no_more_room():
    recent = RecentArrays(room=640)
    recent.keep("first", array(0))
    for _ in range(200):
        recent.keep("again", array(1))
    assert recent.find("first") is not None


def test_large_arrays_are_not_held():
    recent = RecentArrays(room=640)
    recent.keep("a", np.zeros(11, np.uint8))
    assert recent.find("a") is None


def test_nobody_changes_what_is_held():
    recent, kept = RecentArrays(room=640), array(1)
    recent.keep("a", kept)
    with pytest.raises(ValueError, match="read-only"):
        recent.find("a")[0] = 2
