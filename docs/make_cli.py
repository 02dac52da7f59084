"""Write docs/cli.md from the commands' own help: `python docs/make_cli.py > docs/cli.md`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import click

from nnplug_cli.context import Context
from nnplug_cli.main import COMMANDS, main

WIDTH = 110
HEAD = """# The command

Made by `python docs/make_cli.py > docs/cli.md`; `tests/test_docs.py` says when it is time to make it again.

Exit codes: 0 done; 1 an error that a user can mend, one line on stderr; 2 usage; 130 stopped by Ctrl-C."""


class OwnCommands(Context):
    """A call without the commands of plugins, which the pages of the plugins describe."""

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
    return "\n\n".join([HEAD, *walk(main, "nnplug"), *sections]) + "\n"


if __name__ == "__main__":
    print(page(), end="")
