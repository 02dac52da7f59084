"""Options with several values after one flag, as argparse has them: `-ot nifti dicom-seg`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import click


class ListOption(click.Option):
    """An option that takes the words up to the next flag. The command must be a `ListCommand`."""

    def __init__(self, *names: Any, **settings: Any) -> None:
        """Make a repeatable option."""
        super().__init__(*names, **{**settings, "multiple": True})


class ListCommand(click.Command):
    """A command without arguments, whose options of class `ListOption` take several values."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of the command line, with the flag repeated before each of its values."""
        flags = {word for option in self.params if isinstance(option, ListOption) for word in option.opts}
        return super().parse_args(ctx, list(_repeated(args, flags)))


def _repeated(words: Sequence[str], flags: set[str]) -> Iterator[str]:
    flag, had_value = None, False
    for word in words:
        if word.startswith("-"):
            flag, had_value = (word, False) if word in flags else (None, False)
        elif flag is not None and had_value:
            yield flag
        else:
            had_value = True
        yield word
