"""The plans that a command uses if the user names none."""

from __future__ import annotations

from nnplug.errors import AmbiguousComponent, NnplugError
from nnplug.registry.components import Kind, Registry
from nnplug.remedies import Action
from nnplug.workspace.layout import Workspace


def default_plans_name(registry: Registry, workspace: Workspace) -> str:
    """Return the name of the default recipe's plans; without a default recipe, of the only plans in the workspace.

    Raises:
        NnplugError: there is no single default recipe, and the workspace does not have exactly one plans file.
    """
    try:
        default = registry.default_recipe()
    except AmbiguousComponent:
        default = None
    if default and Kind.PLANNER in default.choices:
        return default.choices[Kind.PLANNER]
    folder = workspace.plans("any").parent
    there = sorted(path.stem for path in folder.glob("*.json"))
    if len(there) != 1:
        raise NnplugError(f"{folder}: which plans?", Action.NAME_PLANS(known=", ".join(there) or "none yet"))
    return there[0]
