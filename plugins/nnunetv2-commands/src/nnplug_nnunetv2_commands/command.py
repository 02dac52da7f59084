"""The parts that all commands share: parsing, the context of a call, error messages."""

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
from nnplug_cli.failures import reported_errors
from nnplug_cli.progress import Lines
from nnplug_nnunetv2_commands.class_names.pretrained import CLASSES as FINE_TUNERS
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
    """The context of one call of a command.

    Attributes:
        environment: nnU-Net's variables.
        quiet: whether progress is hidden, for jobs of a cluster; notices and warnings stay.
        words: the command line, for the record of a training.
    """

    environment: Environment
    quiet: bool = False
    words: tuple[str, ...] = ()

    @cached_property
    def progress(self) -> Progress:
        """The progress of the command `nnplug`, or notices alone."""
        return _Notices(self.remedies) if self.quiet else super().progress

    @property
    def remedies(self) -> Mapping[Action, str]:
        """The words of nnU-Net's commands for remedies."""
        return REMEDIES

    def threads(self, workers: int | None = None) -> LocalExecutor:
        """Return an executor on threads; their number is `workers`, else nnUNet_def_n_proc, else one per core."""
        from nnplug.runtime.executor import LocalExecutor

        return LocalExecutor(workers or self.environment.workers)

    def trainer(self, name: str) -> TrainerChoice:
        """Return the trainer that `-tr` names.

        Raises:
            UnknownComponent: there is no such trainer; see `find_trainer`.
            NnplugError: nnUNet_extTrainer is set, or the trainer is one that starts from a checkpoint of nnssl.
        """
        self.environment.refuse_foreign_code()
        if name in FINE_TUNERS:
            raise NnplugError(f"trainer {name!r} starts from a checkpoint of nnssl. Run nnUNetv2_train_pretrained.")
        return find_trainer(name, self.plugins.registry.names(Kind.TRAINER))


class _Notices(Lines):
    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:  # noqa: ARG002
        yield lambda _: None


class Refused(argparse.Action):
    """A flag of nnU-Net that nnplug does not support: an error with the reason."""

    def __init__(self, *, because: str, **kwargs: Any) -> None:
        """Add the reason to the help text."""
        super().__init__(**{"help": f"refused: {because}", "default": argparse.SUPPRESS, **kwargs})
        self.because = because

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        """Exit with code 2."""
        parser.error(f"{self.option_strings[-1]} is not honoured: {self.because}")


def run(
    parser: argparse.ArgumentParser, function: Callable[[Call, Options], None], words: Sequence[str] | None = None
) -> None:
    """Parse the command line and call `function`.

    An error of the user becomes one line on stderr and exit code 1, or 2 for wrong usage.
    """
    options = parser.parse_args(words)
    verbose = bool(getattr(options, "verbose", False))
    with reported_errors(REMEDIES, verbose=lambda: verbose):
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
