"""Sessions: images that were sent once and are predicted several times."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from nnplug_server.received_image import ReceivedImage
from nnplug_server.refusal import Refusal

LONGEST = 3600
"""The seconds after its last use in which a session is kept."""


@dataclass
class Session:
    """An image that the server keeps.

    Attributes:
        name: the id, which nobody can guess.
        folder: its folder, which is removed with it.
        image: the image.
        created, used: seconds since 1970.
        expiry: seconds after `used`.
        users: the number of predictions that read it now.
    """

    name: str
    folder: Path
    image: ReceivedImage
    created: float
    used: float
    expiry: int
    users: int = 0

    def info(self) -> dict[str, Any]:
        """Return the facts in MONAI Label's terms, without paths of the server."""
        return {
            "name": self.name,
            "path": "",
            "image": next(iter(self.image.names.values())),
            "meta": {},
            "create_ts": int(self.created),
            "last_access_ts": int(self.used),
            "expiry": self.expiry,
        }


class Sessions:
    """The sessions of a server, a limited number. It is used by one thread."""

    def __init__(self, root: Path, most: int, clock: Callable[[], float] = time.time) -> None:
        """Keep at most `most` sessions in folders of `root`; `clock` returns the time in seconds since 1970."""
        self._root, self._most, self._clock = root, most, clock
        self._sessions: dict[str, Session] = {}

    def new_folder(self) -> Path:
        """Return a new folder for the image of a session; `add` or the caller removes it."""
        return Path(mkdtemp(prefix="session-", dir=self._root))

    def add(self, folder: Path, image: ReceivedImage, expiry: int) -> Session:
        """Keep an image in a folder of `new_folder`; the session that was not used for longest makes room.

        Raises:
            Refusal: predictions read all sessions now.
        """
        self._remove_expired()
        if len(self._sessions) >= self._most:
            idle = [one for one in self._sessions.values() if not one.users]
            if not idle:
                line = f"{self._most} sessions are kept, and all are predicted now; try again later"
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, line, {"Retry-After": "10"})
            self._drop(min(idle, key=lambda one: one.used))
        now = self._clock()
        length = min(expiry, LONGEST) if expiry > 0 else LONGEST
        session = Session(secrets.token_urlsafe(16), folder, image, now, now, length)
        self._sessions[session.name] = session
        return session

    def get(self, name: str) -> Session:
        """Return a session.

        Raises:
            Refusal: there is none, or it has expired.
        """
        self._remove_expired()
        if name not in self._sessions:
            raise Refusal(HTTPStatus.NOT_FOUND, "no such session: it has expired or was removed; send the image again")
        return self._sessions[name]

    @contextmanager
    def used(self, name: str) -> Iterator[ReceivedImage]:
        """Yield the image of a session, which is kept while the block runs; it raises as `get`."""
        session = self.get(name)
        session.users += 1
        try:
            yield session.image
        finally:
            session.users -= 1
            session.used = self._clock()
            if self._sessions.get(name) is not session and not session.users:  # it was removed meanwhile
                shutil.rmtree(session.folder, ignore_errors=True)

    def touch(self, name: str) -> None:
        """Count a session as used now; it raises as `get`."""
        self.get(name).used = self._clock()

    def remove(self, name: str) -> Session:
        """Remove a session and return it; it raises as `get`."""
        session = self.get(name)
        self._drop(session)
        return session

    def _drop(self, session: Session) -> None:
        del self._sessions[session.name]
        if not session.users:
            shutil.rmtree(session.folder, ignore_errors=True)

    def _remove_expired(self) -> None:
        now = self._clock()
        for session in [one for one in self._sessions.values() if not one.users and one.used + one.expiry < now]:
            self._drop(session)
