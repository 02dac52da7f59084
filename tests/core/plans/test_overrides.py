"""`--set KIND.KEY=VALUE`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnplug.errors import InvalidOptions
from nnplug.plans.overrides import parse
from nnplug.registry.components import PLAN_WORD, Kind


def test_values_are_json_or_text():
    assert parse(
        ["trainer.epochs=50", "trainer.loss=dice", "plan.patch_size=[64, 64]", 'trainer.x="7"', "augmenter.p=a=b"]
    ) == {
        "trainer": {"epochs": 50, "loss": "dice", "x": "7"},
        "plan": {"patch_size": [64, 64]},
        "augmenter": {"p": "a=b"},
    }


def test_a_number_that_python_does_not_read_is_text():
    digits = "1" * 5000
    assert parse([f"plan.batch_size={digits}"]) == {"plan": {"batch_size": digits}}


def test_the_later_value_counts():
    assert parse(["trainer.epochs=50", "trainer.epochs=60"]) == {"trainer": {"epochs": 60}}


@given(
    word=st.sampled_from([PLAN_WORD, *Kind]),
    key=st.from_regex(r"[a-z_]+", fullmatch=True),
    value=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists),
)
def test_every_json_value_comes_through(word, key, value):
    assert parse([f"{word}.{key}={json.dumps(value)}"]) == {word: {key: value}}


@pytest.mark.parametrize("assignment", ["", "trainer", "trainer.epochs", "trainer=3", ".epochs=3", "trainer.=3", "=3"])
def test_another_form_is_refused(assignment):
    with pytest.raises(InvalidOptions) as error:
        parse([assignment])
    assert str(error.value) == f"{assignment!r} sets nothing. Set KIND.KEY=VALUE, such as plan.batch_size=2 in options."


def test_an_unknown_word_suggests_the_nearest_or_lists_all():
    with pytest.raises(InvalidOptions, match=r"'trianer.epochs=3': there is no 'trianer' to set. .* 'trainer'\?"):
        parse(["trianer.epochs=3"])
    with pytest.raises(InvalidOptions, match=r"there is no 'q' to set. Known: plan, extractor, .*, postprocessor, "):
        parse(["q.a=3"])
