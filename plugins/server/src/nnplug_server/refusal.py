"""Answers to requests that are not fulfilled: a status and one line, as JSON {"detail": LINE}."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import JSONResponse

from nnplug.errors import ComponentFailed, InvalidPlugin, MissingProvider, NnplugError, OutOfResources, worded
from nnplug.remedies import Action

REMEDIES = {
    Action.CHOOSE_IMAGES: 'Choose with the parameter {{"series": ID}}; there are:',
    Action.INSTALL_READER: (
        "Where the server runs, pip install 'nnplug[dicom]' adds DICOM, 'nnplug[readers]' nibabel and tifffile."
    ),
    Action.INSIST: "send an image like those of the training",
    Action.VERIFY: "Send another file.",
    Action.FREE_SPACE: "Free some space on the server.",
    Action.USE_ONE_THREAD: "close other programs on the server.",
    Action.PREDICT_IN_MORE_MEMORY: (
        "close other programs on the server's GPU, raise nnplug serve --gpu-memory-gb if it is given, or serve with "
        "--device cpu"
    ),
}
"""Action -> words, for people who send requests."""

_FAULTS_OF_THE_SERVER = (ComponentFailed, InvalidPlugin, MissingProvider, OutOfResources)
_LONGEST = 2000
"""The most characters of a line."""


class Refusal(Exception):
    """An answer with an error.

    Attributes:
        status: the status of the answer.
        line: one line for the client: the file or the value, and the remedy.
        headers: further headers of the answer.
    """

    def __init__(self, status: HTTPStatus, line: str, headers: Mapping[str, str] | None = None) -> None:
        """Store the answer."""
        super().__init__(status, line)
        self.status, self.line, self.headers = status, line, dict(headers or {})

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse({"detail": self.line}, int(self.status), self.headers)


class Stopped(NnplugError):
    """The end of a prediction that nobody waits for, or whose server ends."""


def refusal_of(error: Exception) -> Refusal:
    """Return the answer to an error of a prediction: 400 for what the client can mend, 500 for other errors."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Stopped):
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.lines[0], {"Retry-After": "60"})
    if isinstance(error, NnplugError):
        mendable = not isinstance(error, _FAULTS_OF_THE_SERVER)
        status = HTTPStatus.BAD_REQUEST if mendable else HTTPStatus.INTERNAL_SERVER_ERROR
        lines = [" ".join(worded(line, REMEDIES).split()) for line in error.lines]
        return Refusal(status, "; ".join(lines)[:_LONGEST])
    first = " ".join(str(error).splitlines()[:1])
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {first}"[:_LONGEST])
