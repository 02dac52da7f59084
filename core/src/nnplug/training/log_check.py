"""Check the run log of a trainer after its first line, instead of after hours of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nnplug.contracts import read_log
from nnplug.errors import InvalidFile, InvalidPlugin
from nnplug.registry.attribution import name_of
from nnplug.runtime.progress import Advance, Progress


def check_log(log: Path, trainer: object) -> bool:
    """Return whether the log has a line.

    Raises:
        InvalidPlugin: a line is not a `nnplug.contracts.LogLine`; the message names the trainer.
    """
    try:
        return bool(read_log(log))
    except InvalidFile as error:
        raise InvalidPlugin(
            f"{name_of(trainer)} wrote a line that nnplug cannot read ({error}). "
            "Trainers write their log with nnplug.contracts.append_log."
        ) from error


def _nothing() -> None:
    """Do nothing; the default callback."""


@dataclass(frozen=True)
class LogCheckingProgress(Progress):
    """A progress that checks the log of a trainer at each step until the log has a line.

    Attributes:
        progress: receives the progress.
        log: the `log.jsonl` of the run.
        trainer: the trainer that writes the log.
        begun: called before each task. The log then has the epochs that a resumed training keeps.
        stepped: called after each step of a task.
    """

    progress: Progress
    log: Path
    trainer: object
    begun: Callable[[], None] = _nothing
    stepped: Callable[[], None] = _nothing

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:
        """See `Progress.task`. The yielded function raises `InvalidPlugin` as `check_log` does."""
        is_checked = False
        self.begun()

        def checked(latest: str) -> None:
            nonlocal is_checked
            is_checked = is_checked or check_log(self.log, self.trainer)
            advance(latest)
            self.stepped()

        with self.progress.task(title, total, done=done) as advance:
            yield checked

    def notice(self, message: str) -> None:
        """See `Progress.notice`."""
        self.progress.notice(message)

    def warning(self, message: str) -> None:
        """See `Progress.warning`."""
        self.progress.warning(message)
