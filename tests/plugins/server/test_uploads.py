"""Forms are streamed to disk; damaged ones, stalls and full disks are refused with a line."""

from __future__ import annotations

import asyncio
import errno
import random
import shutil
from http import HTTPStatus

import pytest
from starlette.requests import ClientDisconnect, Request

from nnplug_server.form_parser import FIELD_BYTES, MOST_PARTS, FormParser
from nnplug_server.refusal import Refusal
from nnplug_server.settings import Limits
from nnplug_server.uploads import receive_form

BODY = (
    b'--x\r\nContent-Disposition: form-data; name="params"\r\n\r\n{"a": 1}\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="../b\x07.nii.gz"\r\n\r\nvox\r\n-\r\n--els\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="c.nii"\r\n\r\n\r\n--x--\r\n'
)


def receive(folder, *messages, limits=None, kind=b"multipart/form-data; boundary=x"):
    """Receive a form whose bytes arrive in these pieces; a number is a pause of that many seconds, None the end."""
    left = list(messages)

    async def ask():
        if left and isinstance(left[0], float):
            await asyncio.sleep(left.pop(0))
        if not left or left[0] is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    request = Request({"type": "http", "headers": [(b"content-type", kind)], "method": "POST", "path": "/"}, ask)
    return asyncio.run(receive_form(request, folder, limits or Limits()))


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_files_go_to_disk_in_whatever_pieces_they_arrive(tmp_path, pieces):
    cuts = sorted(random.Random(pieces).sample(range(1, len(BODY)), min(pieces, len(BODY) - 1) - 1))
    chunks = [BODY[a:b] for a, b in zip([0, *cuts], [*cuts, len(BODY)], strict=True)]
    form = receive(tmp_path, *chunks)
    assert form.fields == {"params": '{"a": 1}'}
    assert [(file.field, file.name) for file in form.files] == [("file", "b.nii.gz"), ("file", "c.nii")]
    assert [file.path.read_bytes() for file in form.files] == [b"vox\r\n-\r\n--els", b""]
    assert {file.path.parent for file in form.files} == {tmp_path}
    assert form.named("other") == ()


@pytest.mark.parametrize(
    ("body", "status", "line"),
    [
        (BODY[:-20], 400, "the form ends before its last boundary; send it again"),
        (b"nothing of the kind", 400, "the form is not readable as multipart/form-data ("),
        (
            b'--x\r\nContent-Disposition: form-data; name="p"\r\n\r\n' + b"a" * (FIELD_BYTES + 1),
            413,
            "the fields of the form",
        ),
        (
            b"--x\r\n\r\n\r\n" * (MOST_PARTS + 1),
            413,
            f"the form has more than {MOST_PARTS} parts; send the files in a zip",
        ),
    ],
)
def test_bad_forms_are_refused(tmp_path, body, status, line):
    with pytest.raises(Refusal) as refused:
        receive(tmp_path, body)
    assert (refused.value.status, refused.value.line[: len(line)]) == (status, line)


def test_a_long_boundary_is_refused(tmp_path):
    with pytest.raises(Refusal, match="not readable as multipart/form-data"):
        receive(tmp_path, BODY, kind=b"multipart/form-data; boundary=" + b"x" * 1000)


def test_a_client_that_pauses_is_refused_and_one_that_leaves_is_noticed(tmp_path):
    with pytest.raises(Refusal) as refused:
        receive(tmp_path, BODY[:100], 0.5, BODY[100:], limits=Limits(stall=0.05))
    assert (refused.value.status, refused.value.line) == (
        408,
        "nothing was sent for 0.05 seconds; send the image again",
    )
    with pytest.raises(ClientDisconnect):
        receive(tmp_path, BODY[:100], None)


def test_a_full_disk_is_a_line(tmp_path, monkeypatch):
    def full(self, chunk):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FormParser, "feed", full)
    with pytest.raises(Refusal) as refused:
        receive(tmp_path, BODY)
    assert refused.value.status == HTTPStatus.INSUFFICIENT_STORAGE
    assert refused.value.line == "the disk of the server is full; free some space there, then send it again"


def test_a_folder_that_is_gone_is_a_line(tmp_path):
    shutil.rmtree(tmp_path)
    with pytest.raises(Refusal, match="the server cannot write the image"):
        receive(tmp_path, BODY)
