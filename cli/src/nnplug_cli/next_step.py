"""The last lines of a command: what was made, where, and what to type next.

Every command ends with lines of the form "KIND: PATH", and one "next: COMMAND" where another command follows. Words in
capital letters stand for what the user must fill in.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from nnplug_cli.render import echo


def print_made(kind: str, place: object) -> None:
    """Print what was made and where, such as "model: PATH"."""
    echo(f"{kind}: {place}")


def print_next(
    command: str,
    dataset: Path,
    workspace: Path | None = None,
    *,
    name: str | None = None,
    configurations: Iterable[str] = (),
    folds: Iterable[object] = (),
) -> None:
    """Print the command of the next step, for the same dataset and workspace.

    Args:
        command: its name, such as "plan".
        dataset: the dataset of this command.
        workspace: the value of `-w`; None if it was not given.
        name: the name of the plans; None for the default ones.
        configurations: the values of `-c`.
        folds: the values of `-f`.
    """
    chosen = [("-w", workspace), ("--name", name), *(("-c", one) for one in configurations)]
    given = [*chosen, *(("-f", one) for one in folds)]
    print_command(command, dataset, *(word for option, value in given if value is not None for word in (option, value)))


def print_command(*words: object, program: str = "nnplug") -> None:
    """Print a command to type next."""
    echo(f"next: {shlex.join([program, *map(str, words)])}")


def print_model(model: object) -> None:
    """Print a model and the command that predicts with it."""
    print_made("model", model)
    print_command("predict", "-i", "IMAGES", "-o", "PREDICTIONS", "-m", model)


def print_predictions(predictions: Path) -> None:
    """Print a folder of label maps and the command that scores them."""
    print_made("predictions", predictions)
    print_command("evaluate", "-r", "REFERENCES", "-p", predictions, "-o", "SUMMARY.json")
