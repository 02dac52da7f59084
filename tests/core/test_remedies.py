"""Remedies: the arguments of actions, and the words of a command line."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from nnplug.remedies import Action, Names, Remedy, placeholders


def test_a_remedy_takes_the_arguments_of_its_action():
    assert str(Action.TRAIN_FOLD(fold=1, configuration="2d")) == "train fold 1 of configuration 2d"
    with pytest.raises(TypeError, match=r"TRAIN_FOLD takes \['configuration', 'fold'\], not \['fold'\]"):
        Action.TRAIN_FOLD(fold=1)
    with pytest.raises(TypeError, match=r"VERIFY takes \[\], not \['fold'\]"):
        Action.VERIFY(fold=1)


def test_a_command_line_words_an_action_by_its_table():
    remedy = Action.TRAIN_PREVIOUS_STAGE(
        fold=1, configuration="2d", plans="p", dataset=Path("/d/Dataset001_A"), workspace=Path("/w")
    )
    assert remedy.words({Action.TRAIN_PREVIOUS_STAGE: "go {dataset.name} {fold}"}) == "go Dataset001_A 1"
    assert remedy.words({}) == str(remedy)


def test_names_are_joined_by_the_words_of_the_table():
    remedy = Action.BLOCK_ONE_PLUGIN(names=Names(("a", "b")))
    assert str(remedy) == "Block one of a, b."
    assert remedy.words({Action.BLOCK_ONE_PLUGIN: "-p no:{names: or -p no:}"}) == "-p no:a or -p no:b"


def test_braces_in_arguments_are_no_arguments():
    assert str(Action.SET_OPTION(assignment="x={case}")) == "Set x={case} in options."
    assert placeholders("{a} {b.name} {c: or }") == {"a", "b", "c"}


def test_remedies_are_equal_by_value_and_pickle():
    remedy = Action.UNBLOCK_PLUGIN(name="x")
    assert pickle.loads(pickle.dumps(remedy)) == remedy == Remedy(Action.UNBLOCK_PLUGIN, {"name": "x"})
