"""Types of arguments that are names, so that a shell completes them: components, configurations and plans.

A name is checked where it is used, not here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from nnplug.registry.components import Kind, Registry
from nnplug_cli.plugin_commands import context_of

if TYPE_CHECKING:
    _Name = click.ParamType[str]
else:
    _Name = click.ParamType  # older versions of click are not generic

RECIPE = "recipe"


class ComponentName(_Name):
    """The name of a component or recipe."""

    name = "name"

    def __init__(self, kind: Kind | str | None = None) -> None:
        """Take the kind, or the word "recipe"; None stands for the value of the argument `kind`."""
        self.kind = kind

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002 - click's
        """Return the names that begin so, with their summaries."""
        kind = self.kind or ctx.params.get("kind")
        offered = _offered(context_of(ctx).plugins.registry, kind) if kind else {}
        return _beginning(offered, incomplete)


class ConfigurationName(_Name):
    """The name of a configuration in the plans of the dataset."""

    name = "name"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the configurations that begin so."""
        found = {name: "" for file in _plans(ctx) for name in _configurations(file)}
        return _beginning(found, incomplete)


class PlansName(_Name):
    """The name of plans of the dataset."""

    name = "name"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Return the names of plans that begin so."""
        return _beginning({file.stem: "" for file in _plans(ctx)}, incomplete)


def _beginning(summaries: Mapping[str, str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name, help=text or None) for name, text in summaries.items() if name.startswith(incomplete)]


def _offered(registry: Registry, kind: Kind | str) -> dict[str, str]:
    if kind == RECIPE:
        return {offered.recipe.name: offered.recipe.summary for offered in registry.recipes}
    return {entry.name: entry.component.summary for entry in registry if entry.kind == kind}


def _plans(ctx: click.Context) -> Iterator[Path]:
    """Yield the plans files of the dataset in the command, or of all datasets of the workspace."""
    dataset: Any = ctx.params.get("dataset")
    root = context_of(ctx).workspace_root(ctx.params.get("workspace"))
    folder = dataset.name if isinstance(dataset, Path) else "*"
    return iter(sorted(root.glob(f"{folder}/plans/[!.]*.json")))


def _configurations(file: Path) -> Iterable[str]:
    """Return the names in plans, without the checks of a reader: they take the time of an import."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return list(json.loads(file.read_text(encoding="utf-8"))["configurations"])
    return ()
