"""What docstrings say of options, and the words that options may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest

from nnplug.errors import InvalidOptions
from nnplug.registry.option_texts import option_texts, option_words
from nnplug.registry.options import build

Speed = Literal["slow", "fast"]


@dataclass(frozen=True)
class Base:
    """A component.

    Attributes:
        size: in voxels; a text that
            goes on in the next line.
        speed: of the base class.

    A last paragraph: with a colon.
    """

    size: int = 1
    speed: Speed = "slow"


@dataclass(frozen=True)
class Child(Base):
    """A component of more options.

    Attributes:
        speed: of the child.
        kind: nothing, or a word.
    """

    kind: Literal["a", "b"] | None = None


def function(rate: float = 1.0):
    """Return a component.

    Args:
        rate: per second.
    """


def test_texts_come_from_the_class_and_its_bases():
    assert option_texts(Child) == {
        "size": "in voxels; a text that goes on in the next line.",
        "speed": "of the child.",
        "kind": "nothing, or a word.",
    }
    assert option_texts(function) == {"rate": "per second."}


def test_a_class_without_a_docstring_has_no_texts():
    class Bare:
        pass

    assert option_texts(Bare) == {}


def test_words_come_from_literals():
    assert option_words(Child) == {"speed": ("slow", "fast"), "kind": ("a", "b")}


def test_an_annotation_that_cannot_be_used_gives_no_words():
    class Broken:
        speed: Nowhere = 1  # noqa: F821

    assert option_words(Broken) == {}


@pytest.mark.parametrize(("option", "value", "words"), [("speed", "fst", "slow, fast"), ("kind", 3, "a, b")])
def test_an_error_lists_the_words(option, value, words):
    with pytest.raises(InvalidOptions, match=f"^x: option '{option}' is {value!r}: expected {words}$"):
        build(Child, {option: value}, what="x")
