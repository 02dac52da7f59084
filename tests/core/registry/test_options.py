"""Options are named, typed and quoted back when wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import pytest

from nnplug.errors import InvalidOptions, InvalidPlugin
from nnplug.registry.options import build, describe


@dataclass(frozen=True)
class Trainer:
    epochs: int
    initial_lr: float = 0.01
    loss: Literal["dice", "ce"] = "dice"
    betas: tuple[float, ...] = (0.9, 0.99)
    weights: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        if self.epochs < 1:
            raise ValueError(f"epochs is {self.epochs}; expected 1 or more")


class Plain:
    def __init__(self, size, *, depth: int = 3, **_others: int) -> None:
        self.size, self.depth = size, depth


@dataclass(frozen=True)
class Unimported:
    path: Nowhere = None  # noqa: F821 - what happens with a type that is imported for type checkers only


@dataclass(frozen=True)
class UnimportedVariable:
    figures: ClassVar[Nowhere] = ()  # noqa: F821 - class variables are read with the options


def test_values_become_the_annotated_types():
    built = build(Trainer, {"epochs": 3, "initial_lr": 1, "betas": [1, 2]}, what="t")
    assert built == Trainer(3, 1.0, "dice", (1.0, 2.0))
    assert isinstance(built.initial_lr, float)


def test_other_classes_get_the_values_as_they_are():
    assert build(Plain, {"size": "x"}, what="t").size == "x"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epohs": 1}, "trainer 'x' has no option 'epohs'. Did you mean 'epochs'?"),
        ({"q": 1}, "trainer 'x' has no option 'q'. It has epochs, initial_lr, loss, betas, weights."),
        ({}, "trainer 'x': there is no default for option 'epochs'"),
        ({"epochs": "many"}, "trainer 'x': option 'epochs' is 'many': expected 'int', got 'str'"),
        ({"epochs": True}, "trainer 'x': option 'epochs' is True: expected 'int', got 'bool'"),
        ({"epochs": 1, "loss": "l2"}, "trainer 'x': option 'loss' is 'l2': expected dice, ce"),
        ({"epochs": 1, "betas": [0, "b"]}, "trainer 'x': option 'betas' is [0, 'b']: expected 'float', got 'str'"),
        ({"epochs": 0}, "trainer 'x': epochs is 0; expected 1 or more"),
        ({"epochs": 1, "betas": [0, math.nan]}, "trainer 'x': option 'betas' is [0, nan]; expected no NaN"),
        ({"epochs": 1, "weights": {"a": math.nan}}, "trainer 'x': option 'weights' is {'a': nan}; expected no NaN"),
    ],
)
def test_a_wrong_option_is_told_with_its_value(options, message):
    with pytest.raises(InvalidOptions) as error:
        build(Trainer, options, what="trainer 'x'")
    assert str(error.value) == message


def test_a_missing_argument_of_another_class_is_told():
    with pytest.raises(InvalidOptions, match="missing 1 required positional argument: 'size'"):
        build(Plain, {}, what="t")


def test_a_component_without_options_says_so():
    with pytest.raises(InvalidOptions, match=r"t has no option 'a'. It has no options."):
        build(object, {"a": 1}, what="t")


@pytest.mark.parametrize("target", [Unimported, UnimportedVariable])
def test_an_annotation_that_does_not_exist_at_run_time_is_the_plugins_fault(target):
    words = "'Nowhere' is not defined; import the types of options and class variables outside TYPE_CHECKING"
    with pytest.raises(InvalidPlugin, match=words):
        build(target, {}, what="t")


def test_describe_gives_name_type_and_default():
    assert describe(Trainer) == [
        ("epochs", "int", ""),
        ("initial_lr", "float", "0.01"),
        ("loss", "Literal['dice', 'ce']", "'dice'"),
        ("betas", "tuple[float, ...]", "(0.9, 0.99)"),
        ("weights", "dict[str, float]", "{}"),
    ]
    assert describe(Plain) == [("size", "", ""), ("depth", "int", "3")]


@dataclass(frozen=True)
class Typed:
    file: Path | None = None
    files: tuple[Path, ...] = ()
    shape: Mapping[str, Sequence[int]] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    step: Callable[[int], int] = abs
    number: complex = 1j


def test_paths_and_containers_are_options():
    given = {"file": "a/b.nii", "files": ["a", "b"], "shape": {"x": [1, 2]}, "names": ["u", "u"]}
    made = build(Typed, given, what="metric 'odd'")
    assert (made.file, made.files) == (Path("a/b.nii"), (Path("a"), Path("b")))
    assert (made.shape, made.names, made.step(-2)) == ({"x": [1, 2]}, {"u"}, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"file": 3}, "option 'file' is 3: expected a path as text, got int"),
        ({"files": ["a", 3]}, "option 'files' is ['a', 3]: expected a path as text, got int"),
        (
            {"step": "abs"},
            "option 'step' is 'abs': its type Callable cannot be set, because options are JSON; only its",
        ),
        ({"number": 2}, "option 'number' is 2: its type complex cannot be set, because options are JSON; only its"),
        ({"shape": {"x": "wide"}}, "option 'shape' is {'x': 'wide'}: expected 'array', got 'str'"),
    ],
)
def test_other_types_are_refused_clearly(options, message):
    with pytest.raises(InvalidOptions) as error:
        build(Typed, options, what="metric 'odd'")
    assert str(error.value).startswith(f"metric 'odd': {message}")
