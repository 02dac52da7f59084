"""Temporary folders and other things that a request holds until its answer is sent, or its client has left."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

_KEY = "nnplug.held"


class Cleanup:
    """An ASGI application that removes what a request holds, whichever way it ends."""

    def __init__(self, app: ASGIApp) -> None:
        """Pass requests to `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        with ExitStack() as held:
            scope[_KEY] = held
            await self._app(scope, receive, send)


def new_folder(request: Request, root: Path) -> Path:
    """Return a new folder in `root`, which is removed with everything in it at the end of the request."""
    held = request.scope[_KEY]
    assert isinstance(held, ExitStack)
    folder = Path(mkdtemp(prefix="request-", dir=root))
    held.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder
