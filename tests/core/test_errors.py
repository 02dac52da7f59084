"""Lines with remedies, and suggestions for names that are misspelt."""

from __future__ import annotations

import pickle

import pytest

from nnplug.errors import (
    InvalidDescription,
    InvalidFile,
    Line,
    NnplugError,
    Problems,
    did_you_mean,
    nearest,
    within,
    worded,
)
from nnplug.remedies import Action
from nnplug.runtime.executor import LocalExecutor

TABLE = {Action.VERIFY: "nnplug verify lists all.", Action.TRAIN_FIRST: "nnplug train first"}


def test_an_error_words_its_remedy_for_python_and_a_command_line_by_its_table():
    error = InvalidFile("a.nii.gz: is empty", Action.VERIFY())
    assert str(error) == "a.nii.gz: is empty. Verify the dataset, which lists all its problems."
    assert [worded(line, TABLE) for line in error.lines] == ["a.nii.gz: is empty; nnplug verify lists all."]
    assert [worded(line, {}) for line in error.lines] == [str(error)]


def test_a_sentence_follows_a_full_stop_and_other_remedies_a_semicolon():
    assert Line("a: is empty.", Action.TRAIN_FIRST()) == "a: is empty. train a configuration first"
    assert Line("a: is empty", Action.TRAIN_FIRST()) == "a: is empty; train a configuration first"
    assert Line("a: is empty", Action.TRAIN_ANEW()) == "a: is empty. Train it again from the start with fresh=True."


def test_an_error_without_a_remedy_is_its_message():
    error = NnplugError("a: is empty")
    assert (str(error), error.lines) == ("a: is empty", ("a: is empty",))
    assert worded(error.lines[0], TABLE) == "a: is empty"


def test_a_line_in_another_keeps_its_remedy_at_the_end():
    line = within("case a: reading failed (", Line("b: is empty", Action.TRAIN_FIRST()), ")")
    assert worded(line, TABLE) == "case a: reading failed (b: is empty); nnplug train first"
    assert within("case a: ", "b: is empty") == "case a: b: is empty"


@pytest.mark.parametrize("several", [Problems, InvalidDescription])
def test_remedies_survive_a_pickle(several):
    line = Line("a", Action.TRAIN_FIRST())
    problems = pickle.loads(pickle.dumps(several([line, "b"])))
    assert type(problems) is several
    error = pickle.loads(pickle.dumps(InvalidFile("a", Action.TRAIN_FIRST())))
    assert [worded(found, TABLE) for found in (*problems.lines, *error.lines)] == [
        "a; nnplug train first",
        "b",
        "a; nnplug train first",
    ]


def test_executors_keep_the_remedies_of_their_jobs():
    def fail(name: str) -> None:
        raise NnplugError(f"{name}: is empty", Action.TRAIN_FIRST())

    with pytest.raises(Problems) as problems:
        list(LocalExecutor(1).map(fail, ["a"], stage="test"))
    assert [worded(line, TABLE) for line in problems.value.lines] == ["test of a: a: is empty; nnplug train first"]


def test_the_nearest_name_is_suggested():
    known = ("trainer", "planner")
    assert nearest("trianer", known) == "trainer"
    assert did_you_mean("trianer", known, "Known: two.") == "Did you mean 'trainer'?"


def test_without_a_similar_name_the_caller_says_what_there_is():
    assert nearest("xyz", ("trainer",)) is None
    assert did_you_mean("xyz", ("trainer",), "Known: trainer.") == "Known: trainer."
    assert did_you_mean("xyz", ()) == ""
