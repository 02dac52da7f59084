"""A run folder is written by one process at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nnplug.runtime.lock import locked
from nnplug.runtime.progress import Progress, Silent
from nnplug.workspace.layout import RunFolder


@contextmanager
def alone_in(run: RunFolder, progress: Progress | None = None) -> Iterator[None]:
    """Keep other processes from training, validating or removing a run for the time of the block.

    Args:
        run: the run; it need not be there yet.
        progress: told of a process that was killed in its work on the run, which leaves no message itself.

    Raises:
        NnplugError: another process is at it.
    """
    with locked(run.lock, what=str(run.path)) as killed:
        if killed is not None:
            (progress or Silent()).notice(
                f"{run.path}: {killed}, was killed over it or its machine went down; too little memory is the usual "
                "cause. What it has finished is kept"
            )
        yield
