"""The lock of a run folder: one process at a time writes there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nnplug.runtime.lock import locked
from nnplug.runtime.progress import Progress, Silent
from nnplug.workspace.layout import RunFolder


@contextmanager
def alone_in(run: RunFolder, progress: Progress | None = None) -> Iterator[None]:
    """Prevent other processes from training, validating or removing a run while the block runs.

    Args:
        run: the run, whose folder need not exist yet.
        progress: receives a notice if an earlier process was killed while it worked on the run.

    Raises:
        NnplugError: another process works on the run.
    """
    with locked(run.lock, what=str(run.path)) as killed:
        if killed is not None:
            (progress or Silent()).notice(
                f"{run.path}: {killed}, was killed while it worked on the run, or its machine stopped; usually memory "
                "ran out. What it had finished is kept"
            )
        yield
