"""The command `nnplug show KIND NAME`: describe one component or recipe."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import click

from nnplug.registry.components import AnyEntry, Kind, OfferedRecipe, Registry
from nnplug.registry.option_texts import option_texts, option_words
from nnplug_cli.commands.components import KINDS, RECIPE
from nnplug_cli.context import Context
from nnplug_cli.names import ComponentName
from nnplug_cli.options import json_option
from nnplug_cli.render import echo, plain_table, print_json


@click.command(short_help="Describe a component, its options and its origin.")
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("name", type=ComponentName())
@json_option
@click.pass_obj
def command(context: Context, *, kind: str, name: str, as_json: bool) -> None:
    """Describe a component or recipe: its purpose, its origin, and its options for `--set`.

    The component is imported to read its options.
    """
    data = _recipe(context.plugins.registry, name) if kind == RECIPE else _component(context, Kind(kind), name)
    if as_json:
        print_json(data)
        return
    for line in _lines(data):
        echo(line)


def _component(context: Context, kind: Kind, name: str) -> dict[str, Any]:
    entry: AnyEntry = context.plugins.registry.get(kind, name)
    described = entry.options()  # imports the component, and attributes what its import raises
    texts, words = option_texts(entry.load()), option_words(entry.load())
    options = [
        {"name": n, "type": t, "default": d or None, "words": words.get(n), "text": texts.get(n)}
        for n, t, d in described
    ]
    return {"kind": str(kind), **asdict(entry.component), "source": asdict(entry.source), "options": options}


def _recipe(registry: Registry, name: str) -> dict[str, Any]:
    offered: OfferedRecipe = registry.offered_recipe(name)
    return {"kind": RECIPE, **asdict(offered.recipe), "source": asdict(offered.source)}


def _lines(data: dict[str, Any]) -> Iterator[str]:
    source = data["source"]
    yield f"{data['kind']} {data['name']}: {data['summary']}"
    yield f"from {source['distribution']} {source['version']}, plugin {source['plugin']}"
    if data["kind"] == RECIPE:
        yield from _choices(data)
        return
    yield f"target {data['target']}, state version {data['state_version']}"
    rows = [
        (f"{data['kind']}.{o['name']}", " | ".join(o["words"] or (o["type"],)), o["default"] or "required")
        for o in data["options"]
    ]
    yield from ["", *plain_table(("option", "type", "default"), rows)] if rows else ["no options"]
    yield from ["", *texts] if (texts := [f"{o['name']}: {o['text']}" for o in data["options"] if o["text"]]) else []


def _choices(data: dict[str, Any]) -> Iterator[str]:
    for kind, name in data["choices"].items():
        yield f"chooses {kind} {name}"
    for kind, options in data["options"].items():
        for option, value in options.items():
            yield f"sets {kind}.{option}={json.dumps(value)}"
