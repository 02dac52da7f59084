"""Which recipe is the default, and what it fills in."""

import pytest

from nnplug.errors import AmbiguousComponent, InvalidPlugin, NnplugError
from nnplug.registry.components import Kind, OfferedRecipe, Recipe, Registry, Source
from nnplug.registry.recipes import REQUIRED, component_name, preset

WHOLE = {str(kind): "acme" for kind in REQUIRED}
ACME = Recipe("acme", {**WHOLE, "architecture": "acme-net"}, "all", {"trainer": {"rate": 1}}, default=True)
OTHER = Recipe("other", {**WHOLE, "trainer": "other"}, "all", default=True)
PART = Recipe("part", {"planner": "part"}, "a planner", {"trainer": {"epochs": 2}})
FULL = Recipe("full", dict.fromkeys(WHOLE, "full"), "all")


def registry(*recipes):
    return Registry([], [OfferedRecipe(r, Source(r.name, f"nnplug-{r.name}", "1.0")) for r in recipes])


def test_the_default_recipe_is_what_its_plugin_says():
    chosen = preset(registry(ACME, PART), None)
    assert (chosen.recipe, chosen.is_default, chosen.choices) == ("acme", True, ACME.choices)
    assert chosen.options == {"trainer": {"rate": 1}}


def test_the_default_fills_kinds_that_plans_must_name_with_its_options_and_no_others():
    chosen = preset(registry(ACME, PART), "part")
    assert (chosen.recipe, chosen.is_default) == ("part", False)
    assert chosen.choices == {**WHOLE, "planner": "part"}
    assert chosen.options == {"trainer": {"rate": 1, "epochs": 2}}


def test_who_names_every_kind_needs_no_default():
    assert preset(registry(FULL), "full").choices == FULL.choices
    by_hand = preset(registry(PART), None, REQUIRED)
    assert (by_hand.recipe, by_hand.is_default, by_hand.choices) == ("", True, {})
    assert preset(registry(PART), "part", [k for k in REQUIRED if k is not Kind.PLANNER])


@pytest.mark.parametrize(
    ("recipes", "asked", "message"),
    [
        (
            (PART,),
            "part",
            (
                "no extractor, preprocessor, augmenter, postprocessor is chosen: recipe 'part' names none and no "
                "plugin offers a default recipe. Name a component of each kind (extractor, preprocessor, augmenter, "
                "postprocessor), or a recipe (installed: part)."
            ),
        ),
        (
            (),
            None,
            (
                "no extractor, planner, preprocessor, augmenter, postprocessor is chosen: no plugin offers a default "
                "recipe. Name a component of each kind (extractor, planner, preprocessor, augmenter, postprocessor), "
                "or a recipe (installed: none)."
            ),
        ),
        (
            (Recipe("thin", {"planner": "a", "augmenter": "a", "postprocessor": "a"}, "", default=True),),
            None,
            (
                "no extractor, preprocessor is chosen: the default recipe 'thin' names none. Name a component of each "
                "kind (extractor, preprocessor), or a recipe (installed: thin)."
            ),
        ),
    ],
)
def test_kinds_that_nobody_chooses_are_named_with_the_remedy(recipes, asked, message):
    with pytest.raises(NnplugError) as error:
        preset(registry(*recipes), asked, [Kind.TRAINER])
    assert str(error.value) == message


def test_two_defaults_are_named_with_what_decides():
    two = registry(ACME, OTHER, FULL, PART)
    for asked in (None, "part"):
        with pytest.raises(AmbiguousComponent) as error:
            preset(two, asked)
        assert str(error.value) == (
            "recipes 'acme' of nnplug-acme 1.0 and 'other' of nnplug-other 1.0 are both the default. Choose one of "
            "the recipes acme, other, or block one of nnplug-acme, nnplug-other."
        )
    assert preset(two, "other").choices["trainer"] == "other"
    assert preset(two, "full").choices == FULL.choices
    assert preset(two, None, REQUIRED).recipe == ""


def test_one_kind_alone_is_looked_up_without_the_others():
    only = Recipe("only", {"extractor": "mine"}, "an extractor", default=True)
    assert component_name(registry(only), Kind.EXTRACTOR) == "mine"
    assert component_name(registry(only, FULL), Kind.EXTRACTOR, "full") == "full"
    assert component_name(registry(only, PART), Kind.EXTRACTOR, "part") == "mine"


def test_default_is_a_boolean():
    with pytest.raises(InvalidPlugin, match="default of recipe 'x' is 'yes'; expected True or False"):
        Recipe("x", {}, "", default="yes")
