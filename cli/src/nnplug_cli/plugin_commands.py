"""Commands of plugins beside ours: listed with their distribution, imported when a user calls them.

A command of ours is found without plugins. Lists of commands, and other names, load the plugins that offer commands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from nnplug.errors import InvalidPlugin, NnplugError, did_you_mean
from nnplug.registry.attribution import attributed
from nnplug.registry.commands import OfferedCommand
from nnplug.remedies import Action, Names
from nnplug_cli.command_names import refusal
from nnplug_cli.context import Context
from nnplug_cli.failures import reported_errors
from nnplug_cli.remedies import REMEDIES

if TYPE_CHECKING:
    from nnplug.registry.loader import Plugins
    from nnplug.testing import Check

_CALLED = f"{__name__}.called"


class ExtensibleGroup(click.Group):
    """A group of commands to which plugins add theirs."""

    def __init__(self, *args: Any, parent: str = "", **options: Any) -> None:
        """Make the group; `parent` is its name after `nnplug`, as in `PluginCommand.parent`."""
        super().__init__(*args, **options)
        self.parent = parent

    def own(self, limit: int = 45) -> Mapping[str, str]:
        """Return each command of ours with its one-line help of at most `limit` characters."""
        return {name: command.get_short_help_str(limit) for name, command in sorted(self.commands.items())}

    def own_command(self, name: str) -> click.Command:
        """Return a command of ours."""
        return self.commands[name]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of our commands, and of those of plugins."""
        return list(dict.fromkeys([*self.own(), *(one.command.name for one in self._offered(ctx))]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command of ours, or import that of a plugin.

        Raises:
            NnplugError: several distributions offer the command, or it is no click command.
        """
        if cmd_name in self.own():
            return self.own_command(cmd_name)
        found = [one for one in self._offered(ctx) if one.command.name == cmd_name]
        if not found:
            return None
        ctx.meta[_CALLED] = found[0]
        return load(found)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write our commands, then those of plugins with their distribution."""
        with formatter.section("Commands"):
            width = formatter.width - 6 - max(map(len, self.own()))
            formatter.write_dl(list(self.own(width).items()))
        with reported_errors(REMEDIES, verbose=lambda: False):
            offered = self._offered(ctx)
        if offered:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(one.command.name, f"{one.command.summary} ({one.source})") for one in offered])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the nearest name."""
        if args and args[0] not in self.own() and not args[0].startswith("-"):
            known = self.list_commands(ctx)
            if args[0] not in known:
                _ = context_of(ctx).plugins  # for the warnings: a plugin with this command may be off
            if args[0] not in known and (hint := did_you_mean(args[0], known)):
                ctx.fail(f"No such command {args[0]!r}. {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. What a plugin's command raises is attributed to it."""
        with _attributed(ctx):
            return super().invoke(ctx)

    def _offered(self, ctx: click.Context) -> list[OfferedCommand]:
        commands = context_of(ctx).commands
        return [one for one in commands if one.command.parent == self.parent and not refusal(one)]


def context_of(ctx: click.Context) -> Context:
    """Return the context of the call, made from the options of the root if this is the first need of it."""
    root = ctx.find_root()
    if not isinstance(root.obj, Context):
        root.obj = Context(root.params.get("block") or (), verbose=bool(root.params.get("verbose")))
    return root.obj


def load(found: list[OfferedCommand]) -> click.Command:
    """Import the one command of a name.

    Raises:
        NnplugError: several distributions offer it.
        InvalidPlugin: it cannot be imported, or is no click command.
    """
    if len(found) > 1:
        offers = " and ".join(str(one.source) for one in found)
        names = Names(one.source.distribution for one in found)
        raise NnplugError(
            f"command {found[0].command.words!r} is offered by {offers}", Action.BLOCK_ONE_PLUGIN(names=names)
        )
    command = found[0].load()
    if not isinstance(command, click.Command):
        raise InvalidPlugin(f"{found[0]} is no click command ({found[0].command.target} is {command!r})")
    return command


def command_checks(plugins: Plugins, name: str) -> list[tuple[str, Check]]:
    """Return the checks of the commands of the plugin or distribution `name`, as `nnplug.testing.checks_of` does."""
    from nnplug.testing import Check

    own = [one for one in plugins.commands if name in (one.source.plugin, one.source.distribution)]
    return [
        (f"command {one.command.words}", Check(words, partial(check, one)))
        for one in own
        for words, check in (("has a name of its own", _check_name), ("is a click command with help", _check_help))
    ]


def _check_name(one: OfferedCommand) -> None:
    if reason := refusal(one):
        raise InvalidPlugin(f"{one} is off: {reason}")


def _check_help(one: OfferedCommand) -> None:
    command = load([one])
    if not (command.help or "").strip():
        raise InvalidPlugin(f"{one} has no help; give its function a docstring")
    command.get_help(click.Context(command, info_name=one.command.name))


@contextmanager
def _attributed(ctx: click.Context) -> Iterator[None]:
    """Turn errors of a plugin's command into one line that names it; those of click and of users pass."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, NnplugError, BrokenPipeError):
        raise
    except Exception:
        called = ctx.meta.get(_CALLED)
        if not isinstance(called, OfferedCommand):
            raise
        with attributed(called.origin):
            raise
