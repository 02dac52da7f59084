"""Write docs/cli.md from the commands' own help: `python docs/make_cli.py > docs/cli.md`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import click

from nnplug.registry.loader import Plugins
from nnplug_cli.context import Context
from nnplug_cli.main import COMMANDS, main
from nnplug_cli.plugin_commands import load

WIDTH = 110
HEAD = """# The command

Made by `python docs/make_cli.py > docs/cli.md`; `tests/test_docs.py` says when it is time to make it again.

Exit codes: 0 done; 1 an error that a user can mend, one line on stderr; 2 usage; 130 stopped by Ctrl-C."""


class OwnCommands(Context):
    """A call without the commands of plugins, which come after nnplug's own."""

    commands = ()


def walk(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[str]:
    """A section for a command and for each of its subcommands."""
    widths = {"max_content_width": WIDTH, "terminal_width": WIDTH}
    settings = {**command.context_settings, **widths}
    context = click.Context(command, info_name=name, parent=parent, obj=OwnCommands(), **settings)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    yield f"## `{context.command_path}`\n\n```\n{text}\n```"
    if isinstance(command, click.Group) and command is not main:
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            assert found is not None
            yield from walk(found, sub, context)


def page() -> str:
    """The whole page."""
    root = click.Context(main, info_name="nnplug", obj=OwnCommands(), **main.context_settings)
    commands = ((import_module(f"nnplug_cli.commands.{name}").command, name) for name in COMMANDS)
    sections = [section for command, name in commands for section in walk(command, name, root)]
    return "\n\n".join([HEAD, *walk(main, "nnplug"), *sections, *of_plugins(root)]) + "\n"


def of_plugins(root: click.Context) -> Iterator[str]:
    """A section for each command that a distribution of this repository adds."""
    for one in sorted(Plugins().commands, key=lambda one: one.command.words):
        *parents, name = one.command.words.split()
        parent = root
        for word in parents:
            parent = click.Context(click.Group(word), info_name=word, parent=parent, obj=OwnCommands())
        for section in walk(load([one]), name, parent):
            heading, text = section.split("\n\n", 1)
            yield f"{heading}\n\nOf the distribution {one.source.distribution}.\n\n{text}"


if __name__ == "__main__":
    print(page(), end="")
