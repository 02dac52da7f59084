"""Access to the server: for everybody on this machine, or with a token."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from nnplug.errors import NnplugError
from nnplug_server.refusal import Refusal

VARIABLE = "NNPLUG_SERVER_TOKEN"
"""The environment variable of the token."""

SHORTEST = 16
"""The least number of characters of a token."""

OPEN_PATHS = ("/auth", "/auth/", "/auth/token")
"""The paths that need no token: clients ask there whether one is needed, and log in."""


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches an address; False for names other than localhost."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(file: Path | None, variable: str | None) -> str | None:
    """Return the token in a file, or else in the variable `NNPLUG_SERVER_TOKEN`; None if neither is given.

    Raises:
        NnplugError: the file cannot be read, or the token is too short or has spaces or other than ASCII characters.
    """
    if file is None and variable is None:
        return None
    where = VARIABLE if file is None else str(file)
    try:
        token = (variable or "" if file is None else file.read_text(encoding="utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NnplugError(f"{where}: cannot be read as a token ({error}); write one line of text to it") from error
    if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise NnplugError(
            f"{where}: its token has {len(token)} characters; expected at least {SHORTEST} letters, digits or signs "
            "without spaces, as `openssl rand -hex 32` makes them"
        )
    return token


@dataclass(frozen=True)
class Access:
    """The rule of access.

    Attributes:
        token: the token; None if requests need none.
    """

    token: str | None = field(default=None, repr=False)

    def admits(self, given: str) -> bool:
        """Return whether a token is the right one, in a time that does not depend on where it differs."""
        return self.token is None or hmac.compare_digest(given.encode(), self.token.encode())

    def check(self, path: str, headers: Headers) -> None:
        """Raise `Refusal` unless a request is admitted.

        Without a token, its header "Host" must name this machine: a page of the internet whose name leads to
        127.0.0.1 could otherwise send requests from a browser that runs here.
        """
        if self.token is None:
            host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
            if not is_loopback(host):
                raise Refusal(HTTPStatus.FORBIDDEN, f"host {host!r}: this server answers on 127.0.0.1 and localhost")
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        if path not in OPEN_PATHS and (kind.lower() != "bearer" or not self.admits(given.strip())):
            line = "a token is needed: send the header 'Authorization: Bearer TOKEN'"
            raise Refusal(HTTPStatus.UNAUTHORIZED, line, {"WWW-Authenticate": "Bearer"})


class Gate:
    """An ASGI application that refuses requests before their body is read: without access, or too large."""

    def __init__(self, app: ASGIApp, access: Access, largest: int) -> None:
        """Pass admitted requests of at most `largest` bytes to `app`."""
        self._app, self._access, self._largest = app, access, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            try:
                self._check(scope["path"], Headers(scope=scope))
            except Refusal as refusal:
                await refusal.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, path: str, headers: Headers) -> None:
        self._access.check(path, headers)
        size = headers.get("content-length", "0")
        if not size.isdecimal():
            raise Refusal(HTTPStatus.BAD_REQUEST, f"the header 'Content-Length' is {size!r}; expected a number")
        if int(size) > self._largest:
            raise too_large(int(size), self._largest)


def too_large(size: int | None, largest: int) -> Refusal:
    """Return the refusal of a request of `size` bytes, None if only its beginning was read."""
    sent = "more" if size is None else f"{size} bytes"
    line = f"the request has {sent}, and {largest} bytes are allowed; the option --max-upload-mb of nnplug serve"
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{line} allows more")
