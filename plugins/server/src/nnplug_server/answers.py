"""Answers to predictions: a file, JSON, or both as the parts of one body."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from nnplug_server.prediction import Answer, Output

_CHUNK = 1 << 20
_TYPES = {".png": "image/png", ".gz": "application/gzip", ".dcm": "application/dicom"}


def response_to(answer: Answer, output: Output) -> Response:
    """Return the response with the wanted parts of an answer; its file must stay until the response is sent."""
    if answer.file is None:
        return JSONResponse(dict(answer.parameters))
    name = f"{secrets.token_hex(8)}{''.join(answer.file.suffixes)}"  # clients write it to a folder of several results
    kind = _TYPES.get(answer.file.suffix, "application/octet-stream")
    if output is Output.ALL:
        return _parts(answer, answer.file, name, kind)
    return FileResponse(answer.file, media_type=kind, filename=name)


def _parts(answer: Answer, file: Path, name: str, kind: str) -> Response:
    """Return parameters and file as multipart/form-data of a known length, which MONAI Label's client needs."""
    boundary = secrets.token_hex(16)
    before = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="params"\r\nContent-Type: application/json\r\n\r\n'
        f"{json.dumps(dict(answer.parameters))}\r\n"
        f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    ).encode()
    after = f"\r\n--{boundary}--\r\n".encode()
    size = len(before) + file.stat().st_size + len(after)

    def body() -> Iterator[bytes]:
        yield before
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                yield chunk
        yield after

    return StreamingResponse(
        body(),
        media_type=f"multipart/form-data; boundary={boundary}",
        headers={"Content-Length": str(size)},
    )
