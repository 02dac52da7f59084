"""Sides that are measured one after the other: what a stopped measurement has left, and what both come to."""

from __future__ import annotations

import dataclasses

import pytest


@pytest.fixture
def apart(tiny):
    """A row of which each side runs once, and its file."""

    def make(ours="ours", theirs="ours", **fields):
        file, row = tiny(ours, theirs)
        return file, dataclasses.replace(row, apart=True, rounds=1, **fields)

    return make


def one_side(file, row, setting, which, earlier=None):
    from harness.apart import measure_side

    return measure_side(file, row, row.cases[0], setting, which, earlier)


def test_a_side_is_kept_until_the_other_is_there(apart, setting):
    from harness.apart import sides_to_measure

    compared = []
    file, row = apart(compare=lambda *both: compared.append(both) or {"agreement": 1.0})
    case = row.cases[0]
    assert sides_to_measure(row, case, None) == ("ours", "theirs")
    first = one_side(file, row, setting, "ours")
    assert (first.pending, first.peer, first.counts, compared) == (("theirs",), (), False, [])
    assert sides_to_measure(row, case, first) == ("theirs",)
    both = one_side(file, row, setting, "theirs", first)
    assert (both.pending, both.is_whole, both.ratio("seconds") > 0) == ((), True, True)
    assert both.figure("agreement") == 1
    assert compared == [(setting, first.nnplug[0], both.peer[0])]
    assert sides_to_measure(row, case, both) == ("ours", "theirs")


def test_one_side_is_measured_again_without_the_other(apart, setting):
    file, row = apart()
    both = one_side(file, row, setting, "theirs", one_side(file, row, setting, "ours"))
    again = one_side(file, row, setting, "ours", both)
    assert again.peer == both.peer
    assert again.nnplug != both.nnplug


def test_sides_that_cannot_run_are_said(apart, setting):
    file, row = apart(theirs="dies")
    result = one_side(file, row, setting, "theirs", one_side(file, row, setting, "ours"))
    assert "was killed by SIGKILL" in result.peer_absent
    assert (result.unmeasured, result.pending, result.is_whole) == (None, (), False)
    file, row = apart(ours="dies")
    result = one_side(file, row, setting, "ours")
    assert "was killed by SIGKILL" in result.unmeasured
    assert not result.counts


def test_a_case_of_nnplug_alone_has_one_side(apart):
    from harness.apart import sides_to_measure

    _, row = apart()
    assert sides_to_measure(row, dataclasses.replace(row.cases[0], only="nnplug"), None) == ("ours",)


def test_either_side_may_have_been_disturbed():
    from harness.measure import Result

    quiet, busy = {"seconds": 1.0, "others": 0.01}, {"seconds": 1.0, "others": 0.2}
    assert not Result(date="2026-01-02", nnplug=(quiet,), peer=(quiet,)).is_disturbed
    assert Result(date="2026-01-02", nnplug=(quiet,), peer=(busy,)).disturbance == 0.2
