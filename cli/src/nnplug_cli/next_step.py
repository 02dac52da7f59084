"""The last line of a stage: the command of the next one."""

from __future__ import annotations

import shlex
from pathlib import Path

from nnplug_cli.render import echo


def print_next(command: str, dataset: Path, workspace: Path | None = None, *, name: str | None = None) -> None:
    """Print the command of the next stage, for the same dataset and workspace.

    Args:
        command: its name, such as "plan".
        dataset: the dataset of this command.
        workspace: the value of `-w`; None if it was not given.
        name: the name of the plans; None for the default ones.
    """
    options = {"-w": workspace, "--name": name}
    given = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    echo(f"next: {shlex.join(['nnplug', command, str(dataset), *given])}")
