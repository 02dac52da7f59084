"""Every option of every command is given to it by some test."""

from __future__ import annotations

import argparse
import importlib.metadata
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from nnplug_cli.main import main

TESTS = Path(__file__).parents[1]
HELP = {"-h", "--help"}
NNUNET = "nnplug-nnunetv2-commands"
NOT_GIVEN = {Path(__file__), TESTS / "plugins" / "nnunetv2-commands" / "test_command.py"}
"""This file, and one that lists the flags of nnU-Net's commands without giving them."""


def options_of(command: click.Command, *path: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the words of each command with the spellings of each of its options."""
    if path:
        for option in command.params:
            if isinstance(option, click.Option):
                yield path, (*option.opts, *option.secondary_opts)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from options_of(command.get_command(context, name), *path, name)


def nnunet_options() -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield the same of nnU-Net's commands, from the parsers that their scripts make."""
    parsed = argparse.ArgumentParser.parse_args
    for point in importlib.metadata.distribution(NNUNET).entry_points:
        parsers: list[argparse.ArgumentParser] = []

        def keep(parser, words=None, namespace=None, parsers=parsers):
            parsers.append(parser)
            raise SystemExit

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(argparse.ArgumentParser, "parse_args", keep)
            with pytest.raises(SystemExit):
                point.load()()
        assert argparse.ArgumentParser.parse_args is parsed
        for action in parsers[0]._actions:
            if action.option_strings and not HELP.intersection(action.option_strings):
                yield (point.name,), tuple(action.option_strings)


@cache
def quoted(path: Path) -> frozenset[str]:
    """Return the words of the string literals of a test file."""
    literals = re.findall(r"\"([^\"\n]*)\"|'([^'\n]*)'", path.read_text())
    return frozenset(word for literal in literals for text in literal for word in re.split(r"[\s=]+", text))


def is_given(command: tuple[str, ...], spellings: tuple[str, ...]) -> bool:
    """Tell whether a test file that names the command holds one of the spellings too."""
    names = {(name.removeprefix("nnUNetv2_"), name) for name in command}
    kinds = {spelling.removeprefix("--") for spelling in spellings}
    return any(
        all(words.intersection(name) for name in names)
        and (words.intersection(spellings) or ("--{kind}" in words and words.intersection(kinds)))
        for path in TESTS.rglob("*.py")
        if path not in NOT_GIVEN and (words := quoted(path))
    )


EVERY = [*options_of(main), *nnunet_options()]


@pytest.mark.parametrize(("command", "spellings"), EVERY, ids=[f"{' '.join(c)} {s[-1]}" for c, s in EVERY])
def test_some_test_gives_the_option_to_the_command(command, spellings):
    assert is_given(command, spellings), f"no test file names {' '.join(command)} and gives it {' or '.join(spellings)}"


def test_an_option_that_no_test_gives_is_found():
    assert not is_given(("train",), ("--no-test-gives" + "-this",))
    assert is_given(("train",), ("--pretrained",))
