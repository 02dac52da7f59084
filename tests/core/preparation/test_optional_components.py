"""Losses that plans name, and trainers that take none."""

from __future__ import annotations

import pytest

from nnplug.contracts.kinds import TRAINER
from nnplug.errors import InvalidOptions, NnplugError
from nnplug.plans.plans import Choice
from nnplug.preparation.make_plans import choose
from nnplug.preparation.optional_components import check_taken
from nnplug.registry.components import Entry, Kind, OfferedRecipe, Recipe, Registry, Source
from nnplug.registry.entries import TrainerComponent
from nnplug.registry.loader import Plugins

OWN = Source("own", "nnplug-own", "1.0")


@pytest.fixture
def registry():
    """The installed components, a trainer that takes no loss, and recipes with a loss."""
    installed = Plugins().registry
    trainer = Entry(TrainerComponent("stubborn", "own:Stubborn", ""), OWN)
    recipes = [
        Recipe("sharp", {"loss": "topk"}, "", {"loss": {"fraction": 0.2}}),
        Recipe("at-odds", {"trainer": "stubborn", "loss": "topk"}, ""),
    ]
    return Registry([*installed, trainer], [*installed.recipes, *(OfferedRecipe(one, OWN) for one in recipes)])


def chosen(registry, recipe=None, components=None, **options):
    return choose(registry, recipe, components or {}, options)[0]


def test_plans_name_a_loss_only_if_someone_does(registry):
    assert Kind.LOSS not in chosen(registry)
    assert chosen(registry, components={Kind.LOSS: "dice"})[Kind.LOSS] == Choice(name="dice")
    assert chosen(registry, "sharp")[Kind.LOSS] == Choice(name="topk", options={"fraction": 0.2})


def test_a_trainer_that_takes_no_loss_refuses_one_with_a_line(registry):
    components = {Kind.TRAINER: "stubborn", Kind.LOSS: "dice"}
    with pytest.raises(NnplugError) as caught:
        chosen(registry, components=components)
    assert str(caught.value) == (
        "trainer 'stubborn' from nnplug-own 1.0 uses its own loss, not 'dice': its entry has takes_loss=False. "
        "Name no loss, or a trainer that takes one."
    )


def test_a_recipe_s_loss_gives_way_to_the_user_s_trainer_but_not_to_its_own(registry):
    assert Kind.LOSS not in chosen(registry, "sharp", {Kind.TRAINER: "stubborn"})
    with pytest.raises(NnplugError, match="uses its own loss, not 'topk'"):
        chosen(registry, "at-odds")


def test_options_of_a_loss_that_no_one_names_are_refused(registry):
    with pytest.raises(InvalidOptions, match=r"loss.fraction: no loss is named, .* Name the loss, too"):
        chosen(registry, loss={"fraction": 0.5})


def test_options_of_a_loss_are_checked_when_planning(registry):
    with pytest.raises(InvalidOptions, match="fraction is 2.0; it must be above 0 and at most 1"):
        chosen(registry, components={Kind.LOSS: "topk"}, loss={"fraction": 2})


def test_plans_by_hand_are_checked_as_well(registry):
    with pytest.raises(NnplugError, match="uses its own loss, not 'ce'"):
        check_taken({"loss": Choice(name="ce")}, registry.get(TRAINER, "stubborn"))
