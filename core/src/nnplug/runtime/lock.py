"""A lock for one process at a time. It ends with the process that holds it, also when that is killed.

The operating system keeps the lock (by filelock: `flock`, `LockFileEx` on Windows), also of a file on NFS that several
hosts mount. A file that is left over blocks no process. If a file system has no such locks, nothing is locked.
"""

from __future__ import annotations

import errno
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from socket import gethostname
from typing import IO

import psutil
from filelock import lock_descriptor

from nnplug.errors import NnplugError, without_remedy
from nnplug.runtime.files import explained

PATIENCE = 5.0
"""Seconds to wait: the processes of a killed training need a moment to end."""

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@dataclass(frozen=True)
class Holder:
    """The holder of a lock, or the process that held it when it was killed or failed.

    Attributes:
        process: the id of the process.
        host: the name of its host.
        since: the time at which it took the lock, ISO 8601.
        user: the account that it runs under; None in files of versions that did not write it.
        failure: the error that ended its work; None while it works, and if it was killed.
    """

    process: int
    host: str
    since: str
    user: str | None = None
    failure: str | None = None

    @classmethod
    def this(cls) -> Holder:
        """Return this process as a holder from now on."""
        now = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        return cls(os.getpid(), gethostname(), now, psutil.Process().username())

    def __str__(self) -> str:
        """Return the text for messages."""
        user = f" of user {self.user}" if self.user else ""
        return f"process {self.process}{user} on {self.host}, since {self.since}"


@contextmanager
def locked(file: Path, *, what: str, patience: float = PATIENCE) -> Iterator[Holder | None]:
    """Hold the lock of a file while the block runs. The file is created if it is missing, and it is not removed.

    An error that leaves the block is noted in the file, until the next process takes the lock.

    Args:
        file: the file whose lock is held.
        what: the name of the locked thing, the beginning of the message.
        patience: seconds to wait for another process.

    Yields:
        The holder that was killed while it held the lock; usually None.

    Raises:
        NnplugError: another process holds the lock (the message names process, user, host and remedy), or this user may
            neither write nor read the file (the message names its owner).
    """
    with _opened(file, what) as handle:
        with explained(file):
            acquired = _acquire(handle, patience)
        if not acquired:
            raise NnplugError(
                f"{what}: is in use by {_read(handle) or 'another process'}. Wait until that has ended, or end it, "
                "then run the same command again."
            )
        last, this = _read(handle), Holder.this()
        _write(handle, this)
        try:
            yield last if last is not None and last.failure is None else None
        except BaseException as error:
            _write(handle, replace(this, failure=_in_words(error)))
            raise
        _write(handle, None)


@contextmanager
def in_turn(file: Path, *, what: str, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a file while the block runs, as soon as no other process holds it.

    Args:
        file: as in `locked`.
        what: the name of the locked thing.
        tell: gets a line if another process holds the lock now, however long that takes.

    Raises:
        NnplugError: this user may neither write nor read the file.
    """
    use = lock_use(file)
    if use.is_held:
        tell(f"{what}: waits for {use.holder or 'another process'}, which works on it")
    with locked(file, what=what, patience=math.inf):
        yield


@dataclass(frozen=True)
class LockUse:
    """The use of a lock at one moment.

    Attributes:
        is_held: whether a process holds it.
        holder: this process, or the last one if it was killed or failed; None if nothing is noted.
        is_known: whether the file system tells so; if not, `is_held` is False and only `holder` is a hint.
    """

    is_held: bool
    holder: Holder | None
    is_known: bool = True


def lock_use(file: Path) -> LockUse:
    """Return whether a process holds the lock of a file; a lock that cannot be read counts as free."""
    try:
        handle = _opened_for_use(file)
    except OSError:
        return LockUse(is_held=False, holder=None)
    with handle:
        try:
            held, is_known = not lock_descriptor(handle.fileno(), blocking=False), True
        except OSError:
            held, is_known = False, False
        return LockUse(held, _read(handle), is_known)


def _opened_for_use(file: Path) -> IO[str]:
    """Open a lock file, for writing where possible: NFS locks no file that is open for reading only."""
    try:
        return file.open("r+", encoding="utf-8")
    except PermissionError:
        return file.open(encoding="utf-8")


def _opened(file: Path, what: str) -> IO[str]:
    with explained(file):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            return file.open("a+", encoding="utf-8")
        except PermissionError as error:
            with suppress(OSError):  # the lock file of another user: a lock needs no right to write
                return file.open(encoding="utf-8")
            user = psutil.Process().username()
            raise NnplugError(
                f"{what}: cannot be locked, since user {user} may not write {_denied(file)}. Ask its owner for "
                "permission to write, or use a workspace of your own."
            ) from error


def _denied(file: Path) -> str:
    """Return the existing path that cannot be written, with its owner if the system reports it."""
    there = next((path for path in (file, *file.parents) if os.path.lexists(path)), file)
    try:
        return f"{there} (owner {there.owner()})"
    except (OSError, KeyError, NotImplementedError):
        return str(there)


def _acquire(handle: IO[str], patience: float) -> bool:
    until = time.monotonic() + patience
    while not (acquired := _try(handle)) and time.monotonic() < until:
        time.sleep(0.1)
    return acquired


def _try(handle: IO[str]) -> bool:
    try:
        return lock_descriptor(handle.fileno(), blocking=False)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return True
        raise


def _read(handle: IO[str]) -> Holder | None:
    with suppress(ValueError, TypeError, OSError):  # empty, cut short by a kill, or locked for readers (Windows)
        handle.seek(0)
        return Holder(**json.load(handle))
    return None


def _in_words(error: BaseException) -> str:
    """Return an error as a line without remedy."""
    if isinstance(error, NnplugError):
        return without_remedy(error.lines[0])
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if isinstance(error, Exception) else text


def _write(handle: IO[str], holder: Holder | None) -> None:
    """Note the holder in the file, if this user may write it and the disk has room: the lock holds without the note."""
    if not handle.writable():
        return
    text = "" if holder is None else json.dumps(asdict(holder))
    with suppress(OSError):  # not by the handle, which would try again when it is closed
        os.ftruncate(handle.fileno(), 0)
        os.write(handle.fileno(), text.encode())
