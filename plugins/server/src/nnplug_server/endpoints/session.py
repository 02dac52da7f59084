"""/session/: keep an image for several predictions."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response

from nnplug_server.endpoints.infer import arranged
from nnplug_server.models import ServedModel
from nnplug_server.refusal import Refusal
from nnplug_server.sessions import Sessions
from nnplug_server.settings import Limits
from nnplug_server.uploads import receive_form
from nnplug_server.work import Worker


@dataclass(frozen=True)
class SessionAddresses:
    """The sessions of a server, as MONAI Label's clients use them.

    Attributes:
        models: name -> model.
        worker: the queue, in which an image that is being sent has a place.
        sessions: the sessions.
        limits: the sizes that are accepted.
    """

    models: Mapping[str, ServedModel]
    worker: Worker
    sessions: Sessions
    limits: Limits

    async def put(self, request: Request, expiry: int = 0) -> Response:
        """Keep the image of a form and return the id of its session. Archives are read as they are."""
        folder = self.sessions.new_folder()
        kept = False
        try:
            with self.worker.place():
                form = await receive_form(request, folder, self.limits)
                files = form.named("files", "file")
                if not files:
                    line = "no image was sent; send it as the part 'files' of the form"
                    raise Refusal(HTTPStatus.NOT_FOUND, line)
                session = self.sessions.add(folder, arranged(files, folder, self.models), expiry)
                kept = True
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it
        finally:
            if not kept:
                shutil.rmtree(folder, ignore_errors=True)
        return JSONResponse({"session_id": session.name, "session_info": session.info()})

    async def get(self, session_id: str, update_ts: bool = False, image: bool = False) -> Response:  # noqa: FBT001, FBT002
        """Return the facts of a session, or its image if that is one file."""
        session = self.sessions.get(session_id)
        if update_ts:
            self.sessions.touch(session_id)
        if not image:
            return JSONResponse(session.info())
        if session.image.path.is_dir():
            raise Refusal(HTTPStatus.NOT_IMPLEMENTED, "the image of the session has several files; it is not sent back")
        return FileResponse(session.image.path, filename=next(iter(session.image.names.values())))

    async def delete(self, session_id: str) -> dict[str, Any]:
        """Remove a session and its image."""
        return self.sessions.remove(session_id).info()
