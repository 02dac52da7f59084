"""Which plans a command takes where `--name` is left out."""

import pytest

from nnplug.errors import NnplugError
from nnplug.registry.components import OfferedRecipe, Recipe, Registry, Source
from nnplug.steps.default_plans import default_plans_name
from nnplug.workspace.layout import Workspace

FIRST, SECOND = (Recipe(name, {"planner": f"{name}-planner"}, "", default=True) for name in ("first", "second"))


def registry(*recipes):
    return Registry([], [OfferedRecipe(r, Source(r.name, f"nnplug-{r.name}", "1.0")) for r in recipes])


def test_the_default_recipes_planner_names_the_plans(tmp_path):
    assert default_plans_name(registry(FIRST), Workspace(tmp_path, "Dataset001_A")) == "first-planner"


@pytest.mark.parametrize("recipes", [(), (FIRST, SECOND)], ids=["no default", "two defaults"])
def test_without_one_default_the_only_plans_are_taken(tmp_path, recipes):
    space = Workspace(tmp_path, "Dataset001_A")
    with pytest.raises(NnplugError, match=r"plans: which plans\? Name the plans with name; there are none yet"):
        default_plans_name(registry(*recipes), space)
    space.plans("mine").parent.mkdir(parents=True)
    space.plans("mine").write_text("{}")
    assert default_plans_name(registry(*recipes), space) == "mine"
    space.plans("another").write_text("{}")
    with pytest.raises(NnplugError, match="there are another, mine"):
        default_plans_name(registry(*recipes), space)
