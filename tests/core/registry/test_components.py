"""Components, recipes and the registry."""

from __future__ import annotations

import pytest

from nnplug.errors import AmbiguousComponent, InvalidOptions, InvalidPlugin, UnknownComponent
from nnplug.registry.components import Component, Entry, Kind, OfferedRecipe, Recipe, Registry, Source
from nnplug.registry.entries import COMPONENTS

SOURCE = Source("x", "nnplug-x", "1.0")


def entry(name, kind=Kind.TRAINER, target="fractions:Fraction", source=SOURCE):
    return Entry(COMPONENTS[kind](name, target, "a summary"), source)


@pytest.mark.parametrize("name", ["", "Nnunet", "two words", "under_score", "-a", "a-", "a--b", "café"])
def test_names_that_nobody_can_type_are_refused(name):
    with pytest.raises(InvalidPlugin, match="lower-case words joined by hyphens"):
        Component(name, "a:b", "")


@pytest.mark.parametrize("target", ["", "package", "package.module", "a:", ":b", "a b:c", "1a:b"])
def test_targets_that_cannot_be_imported_are_refused(target):
    with pytest.raises(InvalidPlugin, match=r"is not 'package\.module:attribute'"):
        Component("a", target, "")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({"choices": {"planer": "a"}}, "it chooses planer; kinds are extractor, planner"),
        ({"choices": {}, "options": {"planer": {}}}, "it chooses planer; kinds are extractor, planner"),
        ({"choices": {"planner": 3}}, "its planner is 3; expected the name of a component"),
        ({"choices": ["planner"]}, "its choices are ['planner']; expected a mapping of kinds"),
        ({"choices": {"planner": "a"}}, ""),
    ],
)
def test_a_recipe_says_why_it_does_not_fit(arguments, fault):
    assert Recipe("r", summary="", **arguments).fault[: len(fault) or None] == fault


def test_the_registry_is_sorted_whatever_the_order_of_installation():
    entries = [entry("b"), entry("a"), entry("z", Kind.PLANNER), entry("a", source=Source("w", "nnplug-w", "1.0"))]
    found = [(e.kind, e.name, e.source.plugin) for e in Registry(entries)]
    assert found == [
        (Kind.PLANNER, "z", "x"),
        (Kind.TRAINER, "a", "w"),
        (Kind.TRAINER, "a", "x"),
        (Kind.TRAINER, "b", "x"),
    ]
    assert found == [(e.kind, e.name, e.source.plugin) for e in Registry(reversed(entries))]


def test_an_unknown_name_suggests_the_nearest_or_lists_all():
    registry = Registry([entry("nnunet"), entry("mednext")])
    with pytest.raises(UnknownComponent, match=r"no trainer is called 'nnuent'. Did you mean 'nnunet'\?"):
        registry.get(Kind.TRAINER, "nnuent")
    with pytest.raises(UnknownComponent, match=r"no trainer is called 'qqq'. Known: mednext, nnunet."):
        registry.get(Kind.TRAINER, "qqq")
    with pytest.raises(UnknownComponent, match=r"no planner is called 'nnunet'. Known: none."):
        registry.get(Kind.PLANNER, "nnunet")


def test_recipes_are_found_and_suggested_as_components_are():
    brats = Recipe("brats", {"planner": "nnunet"}, "")
    registry = Registry([], [OfferedRecipe(brats, SOURCE)])
    assert registry.recipe("brats") is brats
    with pytest.raises(UnknownComponent, match=r"no recipe is called 'bratz'. Did you mean 'brats'\?"):
        registry.recipe("bratz")
    twice = Registry([], [OfferedRecipe(brats, SOURCE), OfferedRecipe(brats, Source("y", "nnplug-y", "1.0"))])
    with pytest.raises(AmbiguousComponent, match=r"recipe 'brats' is offered by nnplug-x 1.0 and nnplug-y 1.0"):
        twice.recipe("brats")


def test_create_imports_the_target_and_checks_options():
    registry = Registry([entry("half")])
    assert str(registry.create(Kind.TRAINER, "half", {"numerator": 1, "denominator": 2})) == "1/2"
    with pytest.raises(InvalidOptions, match=r"trainer 'half' has no option 'numerater'. Did you mean 'numerator'\?"):
        registry.create(Kind.TRAINER, "half", {"numerater": 1})


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nothere:X", "nothere:X: ModuleNotFoundError: No module named 'nothere'"),
        ("fractions:Nothing", "fractions:Nothing: AttributeError"),
        ("math:pi", "math:pi is 3.14"),
    ],
)
def test_a_target_that_cannot_be_had_names_component_and_distribution(target, reason):
    with pytest.raises(InvalidPlugin, match=r"trainer 'a' from nnplug-x 1.0") as error:
        entry("a", target=target).load()
    assert reason in str(error.value)


def test_a_target_that_leaves_the_program_is_an_error_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidPlugin, match=r"leaving:X: SystemExit: 3"):
        entry("a", target="leaving:X").load()


def test_every_kind_has_its_hook():
    assert [kind.hook for kind in Kind][:2] == ["nnplug_extractors", "nnplug_planners"]
