"""The command `nnplug completion SHELL`: print the script that lets a shell complete commands and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from nnplug_cli.render import echo

VARIABLE = "_NNPLUG_COMPLETE"


@click.command(short_help="Print a script that completes commands in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> None:
    """Print a script with which SHELL completes commands, options, and names of components and configurations.

    \b
    bash: add  eval "$(nnplug completion bash)"  to ~/.bashrc
    zsh:  add  eval "$(nnplug completion zsh)"   to ~/.zshrc
    fish: nnplug completion fish > ~/.config/fish/completions/nnplug.fish
    """  # noqa: D301 - click reads the character, not its escape
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this version of click has no completion for {shell}", ctx)
    echo(found(ctx.find_root().command, {}, "nnplug", VARIABLE).source())
