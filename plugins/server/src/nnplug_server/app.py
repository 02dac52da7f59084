"""The application: all addresses, errors as JSON, and the gate before them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from nnplug.errors import NnplugError
from nnplug.registry.components import Registry
from nnplug.runtime.progress import Progress
from nnplug_server.access import Access, Gate
from nnplug_server.endpoints.about import About
from nnplug_server.endpoints.infer import Infer
from nnplug_server.endpoints.session import SessionAddresses
from nnplug_server.models import ServedModel
from nnplug_server.refusal import Refusal, refusal_of
from nnplug_server.request_scope import Cleanup
from nnplug_server.sessions import Sessions
from nnplug_server.settings import Limits
from nnplug_server.work import Worker

_OTHER_PARTS = ("train", "activelearning", "scoring", "batch", "proxy", "model", "logs", "ohif")
"""The parts of MONAI Label that are not here."""


@dataclass(frozen=True)
class Services:
    """The parts that the addresses share.

    Attributes:
        models: name -> model, at least one.
        worker: the queue.
        access: the rule of access.
        limits: the sizes that are accepted.
        root: the folder for temporary files.
        registry: the installed components.
        progress: receives a line per prediction.
    """

    models: Mapping[str, ServedModel]
    worker: Worker
    access: Access
    limits: Limits
    root: Path
    registry: Registry
    progress: Progress


def application(services: Services) -> ASGIApp:
    """Return the ASGI application of a server."""
    app = FastAPI(title="nnplug", docs_url=None, redoc_url=None)  # the pages would load scripts from the internet
    _add_predictions(app, services)
    _add_about(app, About(services.models, services.access))
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(NnplugError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _failed)
    return Gate(Cleanup(app), services.access, services.limits.upload)


def _add_predictions(app: FastAPI, services: Services) -> None:
    sessions = Sessions(services.root, services.limits.sessions)
    infer = Infer(
        services.models,
        services.worker,
        sessions,
        services.limits,
        services.root,
        services.registry,
        services.progress,
    )
    kept = SessionAddresses(services.models, services.worker, sessions, services.limits)
    app.add_api_route("/infer/{model}", infer.post, methods=["POST"], response_model=None)
    app.add_api_route("/session/", kept.put, methods=["PUT"], response_model=None)
    app.add_api_route("/session/{session_id}", kept.get, methods=["GET"], response_model=None)
    app.add_api_route("/session/{session_id}", kept.delete, methods=["DELETE"])


def _add_about(app: FastAPI, about: About) -> None:
    app.add_api_route("/info/", about.info)
    app.add_api_route("/auth/", about.auth)
    app.add_api_route("/auth/token", about.login, methods=["POST"])
    app.add_api_route("/auth/token/valid", about.token_is_valid)
    app.add_api_route("/datastore/", about.datastore)
    changes = ["PUT", "POST", "DELETE"]
    app.add_api_route("/datastore/", about.no_store, methods=changes)
    app.add_api_route("/datastore/{path:path}", about.no_store, methods=["GET", "HEAD", *changes])
    for part in _OTHER_PARTS:
        for path in (f"/{part}/", f"/{part}/{{path:path}}"):
            app.add_api_route(path, about.predicts_only, methods=["GET", "HEAD", *changes])


async def _refused(_: Request, error: Exception) -> Response:
    return refusal_of(error).response()


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return JSONResponse({"detail": f"{place} is {first.get('input')!r:.100}: {first['msg']}"}, HTTPStatus.BAD_REQUEST)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    line = f"{request.method} {request.url.path}: {error.detail}"
    return JSONResponse({"detail": line}, error.status_code, error.headers)


async def _failed(_: Request, error: Exception) -> Response:
    return refusal_of(error).response()
