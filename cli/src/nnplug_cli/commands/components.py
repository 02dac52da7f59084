"""The command `nnplug components [KIND]`: list the components of the plugins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from nnplug.registry.components import Kind, Source
from nnplug.registry.loader import Plugins
from nnplug_cli.context import Context
from nnplug_cli.options import json_option
from nnplug_cli.render import print_json, print_table

RECIPE, COMMAND = "recipe", "command"
KINDS = [*map(str, Kind), RECIPE]


@click.command(short_help="List the components of the plugins.")
@click.argument("kind", required=False, type=click.Choice([*KINDS, COMMAND]))
@json_option
@click.pass_obj
def command(context: Context, *, kind: str | None, as_json: bool) -> None:
    """List the components, recipes and commands of the plugins, all or of one KIND.

    No component is imported. If two distributions offer the same name, both are listed.
    """
    offers = [offer for offer in _offers(context.plugins) if kind in (None, offer.kind)]
    if as_json:
        print_json([offer.data() for offer in offers])
    else:
        print_table(("kind", "name", "summary", "from"), [(o.kind, o.name, o.summary, str(o.source)) for o in offers])


@dataclass(frozen=True)
class _Offer:
    """A line of the list; a recipe has no target."""

    kind: str
    name: str
    summary: str
    source: Source
    target: str | None = None

    def data(self) -> dict[str, str | None]:
        own = {"kind": self.kind, "name": self.name, "summary": self.summary, "target": self.target}
        return own | asdict(self.source)


def _offers(plugins: Plugins) -> Iterator[_Offer]:
    for entry in plugins.registry:
        yield _Offer(str(entry.kind), entry.name, entry.component.summary, entry.source, entry.component.target)
    for offered in plugins.registry.recipes:
        yield _Offer(RECIPE, offered.recipe.name, offered.recipe.summary, offered.source)
    for one in plugins.commands:
        yield _Offer(COMMAND, one.command.words, one.command.summary, one.source, one.command.target)
