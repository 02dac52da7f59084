"""Suggestions for names that are misspelt."""

from __future__ import annotations

from nnplug.errors import did_you_mean, nearest


def test_the_nearest_name_is_suggested():
    known = ("trainer", "planner")
    assert nearest("trianer", known) == "trainer"
    assert did_you_mean("trianer", known, "Known: two.") == "Did you mean 'trainer'?"


def test_without_a_similar_name_the_caller_says_what_there_is():
    assert nearest("xyz", ("trainer",)) is None
    assert did_you_mean("xyz", ("trainer",), "Known: trainer.") == "Known: trainer."
    assert did_you_mean("xyz", ()) == ""
