"""/info/, /auth/, /datastore and the parts of MONAI Label that a prediction server does not have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request

from nnplug_server.access import Access
from nnplug_server.models import ServedModel
from nnplug_server.refusal import Refusal

_LOGIN_BYTES = 10_000


@dataclass(frozen=True)
class About:
    """The addresses that tell of the server.

    Attributes:
        models: name -> model.
        access: the rule of access.
    """

    models: Mapping[str, ServedModel]
    access: Access

    async def info(self) -> dict[str, Any]:
        """Return the models, their labels and the version."""
        labels = dict.fromkeys(name for model in self.models.values() for name in model.label_values)
        return {
            "name": "nnplug",
            "description": f"prediction server of nnplug with {len(self.models)} models",
            "version": version("nnplug-server"),
            "labels": list(labels),
            "models": {name: model.info() for name, model in self.models.items()},
            "trainers": {},
            "strategies": {},
            "scoring": {},
            "train_stats": {},
            "datastore": await self.datastore(),
        }

    async def auth(self) -> dict[str, Any]:
        """Return whether clients need a token."""
        return {"enabled": self.access.token is not None, "client_id": "", "realm": ""}

    async def login(self, request: Request) -> dict[str, Any]:
        """Return the token to a client that gives it as its password, as the login of MONAI Label's clients does."""
        if self.access.token is None:
            return {"access_token": None, "token_type": None}
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LOGIN_BYTES:
                raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the login has more than {_LOGIN_BYTES} bytes")
        password = parse_qs(body.decode("utf-8", "replace")).get("password", [""])[0]
        if not self.access.admits(password):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "the password is not the token of the server")
        return {"access_token": password, "token_type": "bearer"}

    async def token_is_valid(self) -> dict[str, Any]:
        """Return the user; requests without the token do not get here."""
        return {"username": "user"}

    async def datastore(self, output: str = "stats") -> dict[str, Any]:
        """Return what is kept: nothing."""
        if output == "all":
            return {"name": "nnplug", "description": "nnplug serve keeps no images", "objects": {}}
        return {"total": 0, "completed": 0, "label_tags": {}, "train": []}

    async def no_store(self, path: str = "") -> None:
        """Refuse to keep images and label maps."""
        line = "nnplug serve keeps no images and no label maps; send the image with the request, or in a session"
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, f"/datastore/{path}: {line}")

    async def predicts_only(self, request: Request) -> None:
        """Refuse training, active learning and the like."""
        raise Refusal(HTTPStatus.NOT_IMPLEMENTED, f"{request.url.path}: nnplug serve predicts, and does nothing else")
