"""Receive the form of a request: files are streamed to disk, and a request that is too large is refused on the way."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from nnplug_server.access import too_large
from nnplug_server.form_parser import FormParser, SentFile
from nnplug_server.refusal import Refusal
from nnplug_server.settings import Limits


@dataclass(frozen=True)
class Form:
    """A received form: name -> text of its fields, and its files on disk."""

    fields: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[SentFile] = ()

    def named(self, *names: str) -> tuple[SentFile, ...]:
        """Return the files of the parts with these names."""
        return tuple(file for file in self.files if file.field in names)


async def receive_form(request: Request, folder: Path, limits: Limits) -> Form:
    """Return the form of a request, with its files in a folder. A request without a body gives an empty form.

    Raises:
        Refusal: it is too large, damaged or no form, the client pauses for too long, or the disk is full.
        starlette.requests.ClientDisconnect: the client has left.
    """
    kind, words = parse_options_header(request.headers.get("content-type"))
    chunks = _chunks(request, limits)
    if kind != b"multipart/form-data" or not words.get(b"boundary"):
        async for chunk in chunks:
            if chunk:
                line = f"the body is {kind.decode() or 'of no type'!r}; expected multipart/form-data"
                raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, line)
        return Form()
    parser = FormParser(words[b"boundary"], folder)
    try:
        async for chunk in chunks:
            await run_in_threadpool(parser.feed, chunk)
        parser.finish()
    except OSError as error:
        raise _not_written(error) from error
    finally:
        parser.close()
    return Form(parser.fields, tuple(parser.files))


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """Yield the body of a request as it arrives; raise `Refusal` where it is too large or stalls."""
    stream, size = request.stream(), 0
    while True:
        try:
            async with asyncio.timeout(limits.stall):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            line = f"nothing was sent for {limits.stall:g} seconds; send the image again"
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, line, {"Connection": "close"}) from error
        size += len(chunk)
        if size > limits.upload:
            raise too_large(None, limits.upload)
        yield chunk


def _not_written(error: OSError) -> Refusal:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    line = "the disk of the server is full" if full else f"the server cannot write the image ({error.strerror})"
    return Refusal(HTTPStatus.INSUFFICIENT_STORAGE, f"{line}; free some space there, then send it again")
