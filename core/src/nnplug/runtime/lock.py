"""One process at a time: a lock that ends with the process that holds it, however that ends.

The operating system holds the lock (`flock`), also for a file on NFS that several hosts mount; a file that somebody
forgot to remove can block nobody. Where a file system or platform has no such locks, nothing is locked.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import IO

from nnplug.errors import NnplugError
from nnplug.runtime.files import explained

PATIENCE = 5.0
"""Seconds to wait: processes of a training that was just killed need a moment to end."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, or held it when it was killed.

    Attributes:
        process: its id.
        host: where it runs.
        since: when it took the lock, ISO 8601.
    """

    process: int
    host: str
    since: str

    def __str__(self) -> str:
        """For messages."""
        return f"process {self.process} on {self.host}, since {self.since}"


@contextmanager
def locked(file: Path, *, what: str, patience: float = PATIENCE) -> Iterator[Holder | None]:
    """Hold the lock of a file, which is made where it is missing and stays, for the time of the block.

    Args:
        file: the file.
        what: is locked, the beginning of the message.
        patience: seconds to wait for another process.

    Yields:
        who held the lock before and was killed; None as a rule.

    Raises:
        NnplugError: another process holds it; the message names process, host and remedy.
    """
    with explained(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = file.open("a+", encoding="utf-8")
    with handle:
        if not _acquire(handle, patience):
            raise NnplugError(
                f"{what}: is in work by {_read(handle) or 'another process'}. Wait until that has ended, or end it, "
                "then run the same command again."
            )
        killed = _read(handle)
        _write(handle, Holder(os.getpid(), gethostname(), datetime.now(UTC).astimezone().isoformat(timespec="seconds")))
        try:
            yield killed
        finally:
            _write(handle, None)


def _acquire(handle: IO[str], patience: float) -> bool:
    until = time.monotonic() + patience
    while not (acquired := _try(handle)) and time.monotonic() < until:
        time.sleep(0.1)
    return acquired


def _try(handle: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS
    return True


def _read(handle: IO[str]) -> Holder | None:
    handle.seek(0)
    with suppress(ValueError, TypeError):  # empty, or cut short by a kill
        return Holder(**json.load(handle))
    return None


def _write(handle: IO[str], holder: Holder | None) -> None:
    handle.seek(0)
    handle.truncate()
    if holder is not None:
        json.dump(asdict(holder), handle)
    handle.flush()
