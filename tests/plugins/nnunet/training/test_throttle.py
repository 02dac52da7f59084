from __future__ import annotations

import pytest

from nnplug_nnunet.training import throttle


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets: `clock[0]`."""
    now = [0.0]
    monkeypatch.setattr(throttle.time, "monotonic", lambda: now[0])
    return now


def test_it_is_due_when_it_would_take_its_share(clock):
    saving = throttle.Throttle(1 / 20)
    assert saving.is_due
    with saving.timed():
        clock[0] += 2
    clock[0] += 39
    assert not saving.is_due
    clock[0] += 1
    assert saving.is_due


def test_what_is_expected_counts_before_the_first_time(clock):
    drawing = throttle.Throttle(1 / 100, expected=1.0)
    clock[0] = 99
    assert not drawing.is_due
    clock[0] = 100
    assert drawing.is_due
