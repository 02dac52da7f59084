"""The command `nnplug components [KIND]`: list the components of the plugins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from nnplug.registry.components import Kind, Registry, Source
from nnplug_cli.context import Context
from nnplug_cli.options import json_option
from nnplug_cli.render import print_json, print_table

RECIPE = "recipe"
KINDS = [*map(str, Kind), RECIPE]


@click.command(short_help="List the components of the plugins.")
@click.argument("kind", required=False, type=click.Choice(KINDS))
@json_option
@click.pass_obj
def command(context: Context, *, kind: str | None, as_json: bool) -> None:
    """List the components and recipes of the plugins, all or of one KIND.

    No component is imported. If two distributions offer the same name, both are listed.
    """
    offers = [offer for offer in _offers(context.plugins.registry) if kind in (None, offer.kind)]
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


def _offers(registry: Registry) -> Iterator[_Offer]:
    for entry in registry:
        yield _Offer(str(entry.kind), entry.name, entry.component.summary, entry.source, entry.component.target)
    for offered in registry.recipes:
        yield _Offer(RECIPE, offered.recipe.name, offered.recipe.summary, offered.source)
