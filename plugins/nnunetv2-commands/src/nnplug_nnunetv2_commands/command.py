"""The parts that all commands share: parsing, the call's context, failures."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from nnplug.errors import NnplugError
from nnplug.registry.components import Kind
from nnplug_cli.context import Context, blocked
from nnplug_cli.failures import told
from nnplug_cli.progress import Lines
from nnplug_nnunetv2_commands.class_names.trainers import TrainerChoice, find_trainer
from nnplug_nnunetv2_commands.environment import Environment
from nnplug_nnunetv2_commands.remedies import REMEDIES

if TYPE_CHECKING:
    from nnplug.remedies import Action
    from nnplug.runtime.executor import LocalExecutor
    from nnplug.runtime.progress import Advance, Progress

Options = argparse.Namespace


@dataclass(frozen=True, kw_only=True)
class Call(Context):
    """One call of a command.

    Attributes:
        environment: nnU-Net's variables.
        quiet: no progress, as jobs of a cluster want it; notices and warnings stay.
        words: what was typed, for the record of a training.
    """

    environment: Environment
    quiet: bool = False
    words: tuple[str, ...] = ()

    @cached_property
    def progress(self) -> Progress:
        """As the command `nnplug` shows it, or notices alone."""
        return _Notices(self.remedies) if self.quiet else super().progress

    @property
    def remedies(self) -> Mapping[Action, str]:
        """The words of nnU-Net's commands for remedies."""
        return REMEDIES

    def threads(self, workers: int | None = None) -> LocalExecutor:
        """Threads: as many as a flag says, else nnUNet_def_n_proc, else one per core."""
        from nnplug.runtime.executor import LocalExecutor

        return LocalExecutor(workers or self.environment.workers)

    def trainer(self, name: str) -> TrainerChoice:
        """The trainer that `-tr` names; raises as `find_trainer` does, and where nnUNet_extTrainer is set."""
        self.environment.refuse_foreign_code()
        return find_trainer(name, self.plugins.registry.names(Kind.TRAINER))


class _Notices(Lines):
    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:  # noqa: ARG002
        yield lambda _: None


class Refused(argparse.Action):
    """A flag of nnU-Net's that nnplug does not honour: an error that says why, never silence."""

    def __init__(self, *, because: str, **kwargs: Any) -> None:
        """Say the reason in the help too."""
        super().__init__(**{"help": f"refused: {because}", "default": argparse.SUPPRESS, **kwargs})
        self.because = because

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Leave with exit code 2."""
        parser.error(f"{self.option_strings[-1]} is not honoured: {self.because}")


def run(
    parser: argparse.ArgumentParser, function: Callable[[Call, Options], None], words: Sequence[str] | None = None
) -> None:
    """Parse and do; what users can cause becomes a line on stderr and exit code 1, or 2 for wrong usage."""
    options = parser.parse_args(words)
    verbose = bool(getattr(options, "verbose", False))
    with told(REMEDIES, verbose=lambda: verbose):
        call = Call(
            block=_blocked(os.environ.get("NNPLUG_PLUGINS", "")),
            verbose=verbose,
            environment=Environment(dict(os.environ)),
            quiet=bool(getattr(options, "quiet", False)),
            words=(parser.prog, *(sys.argv[1:] if words is None else words)),
        )
        function(call, options)


def _blocked(text: str) -> tuple[str, ...]:
    try:
        return blocked([text])
    except ValueError as error:
        raise NnplugError(f"NNPLUG_PLUGINS: {error}") from error
