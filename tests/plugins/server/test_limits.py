"""Requests that are too large, too many or abandoned, at the running command."""

from __future__ import annotations

import json
import select
import signal
import socket
import time

import pytest

from nnplug.io.images import read_label

TWO_GB = 2_000_000_000
HEAD = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="a.nii.gz"\r\n\r\n'
KIND = "multipart/form-data; boundary=limit"


def answer_of(connection):
    response = connection.getresponse()
    return response.status, json.loads(response.read()), dict(response.headers)


def begin(server, size=None):
    """A connection that has sent the headers of a form and the beginning of its file."""
    connection = server.connect()
    connection.putrequest("POST", "/infer/organs?output=json")
    connection.putheader("Content-Type", KIND)
    length = ("Content-Length", str(size)) if size else ("Transfer-Encoding", "chunked")
    connection.putheader(*length)
    connection.endheaders()
    connection.send(HEAD if size else b"%x\r\n%s\r\n" % (len(HEAD), HEAD))
    return connection


def test_two_gigabytes_are_refused_by_their_length(server):
    before = server.memory()
    connection = begin(server, TWO_GB)
    status, data, _ = answer_of(connection)
    connection.close()
    line = f"the request has {TWO_GB} bytes, and 64000000 bytes are allowed; the option --max-upload-mb of nnplug serve"
    assert (status, data["detail"]) == (413, f"{line} allows more")
    assert server.memory() - before < 2_000_000
    assert not server.left()


@pytest.mark.parametrize("size", [150_000_000, pytest.param(TWO_GB, marks=pytest.mark.slow)])
def test_a_request_without_a_length_is_refused_on_the_way(server, size):
    """All of it is sent, as clients do that do not listen; the answer waits for them, and no memory is taken."""
    before = server.memory()
    connection = begin(server)
    block = bytes(4_000_000)
    chunk, sent, most = b"%x\r\n%s\r\n" % (len(block), block), 0, 0
    while sent < size:
        connection.send(chunk)
        sent += len(block)
        most = max(most, server.memory())
        readable = select.select([connection.sock], [], [], 0)[0]
        assert readable or sent < 100_000_000  # refused soon after 64 MB
    connection.send(b"0\r\n\r\n")
    status, data, _ = answer_of(connection)
    connection.close()
    assert (status, data["detail"][:58]) == (413, "the request has more, and 64000000 bytes are allowed; the ")
    assert most - before < 20_000_000
    assert not server.left()


def test_a_full_queue_is_503_and_an_abandoned_upload_frees_its_place(server, write_image, tmp_path):
    image = write_image(tmp_path / "a.nii.gz", 1)
    waiting = [begin(server) for _ in range(4)]
    time.sleep(0.3)
    refused = server.send("/infer/organs?output=json", image)
    assert (refused.status, refused.detail[:46]) == (503, "the queue is full: 4 requests are sent, wait o")
    assert int(refused.headers["retry-after"]) >= 1
    assert server.send("/session/", image, method="PUT", part="files").status == 503
    assert server.ask("/info/").status == 200
    for connection in waiting:
        connection.close()
    end = time.monotonic() + 10
    while (found := server.send("/infer/organs?output=json", image)).status == 503 and time.monotonic() < end:
        time.sleep(0.05)
    assert found.status == 200
    assert not server.left()


@pytest.fixture(scope="module")
def slow(bundle, tmp_path_factory, start):
    """A server with a token and without the DICOM plugin, whose predictions of large images take long."""
    folder = tmp_path_factory.mktemp("slow")
    words = ("-m", bundle, "--device", "cpu", "--queue", 2, "--no-mirroring", "--step-size", 0.5, "--gpu-memory-gb", 8)
    with start(
        folder,
        *words,
        end=signal.SIGINT,
        NNPLUG_SERVER_TOKEN="a token of 24 letters!".replace(" ", "-"),
        NNPLUG_PLUGINS="no:dicom",
    ) as one:
        yield one
    lines = (folder / "stderr").read_text().splitlines()
    assert sum("'organs': left" in line for line in lines) == 2


TOKEN = "Bearer a-token-of-24-letters!"


def test_a_client_that_leaves_frees_its_place_while_it_is_predicted(slow, write_image, tmp_path):
    large = write_image(tmp_path / "large.nii.gz", 1, (60, 160, 160)).read_bytes()
    small = write_image(tmp_path / "small.nii.gz", 2)
    left = []
    for _ in range(2):  # one is predicted, one waits
        content = HEAD + large + b"\r\n--limit--\r\n"
        connection = slow.connect()
        connection.request("POST", "/infer/organs?output=json", content, {"Content-Type": KIND, "Authorization": TOKEN})
        left.append(connection)
        time.sleep(1)
    assert ask(slow, small).status == 503
    for connection in left:
        connection.sock.shutdown(socket.SHUT_RDWR)
        connection.close()
    begin, found = time.monotonic(), ask(slow, small)
    while found.status == 503:
        time.sleep(0.1)
        found = ask(slow, small)
    assert found.status == 200
    assert time.monotonic() - begin < 20
    assert not slow.left()


def ask(server, image, path="/infer/organs?output=json"):
    from email.generator import _make_boundary

    boundary = _make_boundary()
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{image.name}"\r\n\r\n'.encode()
        + image.read_bytes()
        + f"\r\n--{boundary}--\r\n".encode()
    )
    return server.ask(path, body, Content_Type=f"multipart/form-data; boundary={boundary}", Authorization=TOKEN)


def test_the_token_is_needed_everywhere_but_for_the_login(slow, write_image, tmp_path):
    image = write_image(tmp_path / "a.nii.gz")
    for given in ("", "Bearer wrong", "Basic a-token-of-24-letters!", "Bearer é"):
        refused = slow.ask("/info/", Authorization=given)
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.detail == "a token is needed: send the header 'Authorization: Bearer TOKEN'"
    assert slow.send("/infer/organs", image).status == 401
    assert slow.ask("/openapi.json").status == 401
    assert slow.ask("/info/", Authorization=TOKEN).status == 200
    assert slow.ask("/nothing", Authorization=TOKEN).status == 404


def test_the_client_of_monai_label_logs_in_with_the_token(slow, monai_client):
    client = monai_client(slow.url)
    assert client.auth_enabled() is True
    assert client.auth_valid_token() is False
    client.update_auth(client.auth_token("anybody", "a-token-of-24-letters!"))
    assert client.auth_valid_token() is True
    assert set(client.info()["models"]) == {"organs"}
    with pytest.raises(Exception) as failure:
        client.auth_token("anybody", "a-token-of-24-letters?")
    assert "the password is not the token of the server" in failure.value.msg
    assert slow.ask("/auth/token", b"x" * 20_000).status == 413


def test_without_the_plugin_dicom_is_a_line_that_names_it(slow, write_image, tmp_path):
    image = write_image(tmp_path / "a.nii.gz")
    refused = ask(slow, image, "/infer/organs?output=dicom_seg")
    assert (refused.status, refused.detail) == (
        501,
        "output=dicom_seg needs nnplug-dicom where the server runs: pip install 'nnplug[dicom]'",
    )
    (tmp_path / "a.zip").write_bytes(b"PK\3\4")
    refused = ask(slow, tmp_path / "a.zip")
    assert (refused.status, "pip install 'nnplug[dicom]'" in refused.detail) == (400, True)


def test_sessions_make_room(server, write_image, tmp_path):
    image = write_image(tmp_path / "a.nii.gz", 3)

    def new():
        return server.send("/session/?expiry=60", image, method="PUT", part="files").data["session_id"]

    first, second = new(), new()
    assert server.ask(f"/session/{first}?update_ts=true").data["expiry"] == 60
    third = new()  # two are kept: the one that was not used for longest goes
    assert [server.ask(f"/session/{one}").status for one in (first, second, third)] == [200, 404, 200]
    assert server.send(f"/infer/organs?session_id={second}").status == 404
    found = server.send(f"/infer/organs?session_id={third}&output=image", params="{}")
    (tmp_path / "labels.nii.gz").write_bytes(found.body)
    assert read_label(tmp_path / "labels.nii.gz").array.any()
    refused = server.send("/session/", method="PUT")
    assert (refused.status, refused.detail) == (404, "no image was sent; send it as the part 'files' of the form")
    refused = server.send("/session/", ("a.exe", b""), method="PUT", part="files")
    assert (refused.status, refused.detail[:25]) == (400, "a.exe: is no image by its")
    both = server.send("/session/", image, ("b.nii.gz", image.read_bytes()), method="PUT", part="files").data[
        "session_id"
    ]
    assert (
        server.ask(f"/session/{both}?image=true").detail
        == "the image of the session has several files; it is not sent back"
    )
    for one in (first, third, both):
        server.ask(f"/session/{one}", method="DELETE")
    assert not server.left()


@pytest.mark.slow
def test_predictions_that_take_longer_than_half_a_minute_are_answered_when_the_server_ends(
    bundle, write_image, tmp_path, start
):
    large = write_image(tmp_path / "large.nii.gz", 1, (60, 160, 160)).read_bytes()
    with start(tmp_path, "-m", bundle, "--device", "cpu", "--step-size", 0.25) as ending:
        connections = [ending.connect() for _ in range(2)]  # one is predicted, one waits
        for connection in connections:
            content = HEAD + large + b"\r\n--limit--\r\n"
            connection.request("POST", "/infer/organs", content, {"Content-Type": KIND})
        time.sleep(2)
        ending.process.terminate()
        for connection in connections:
            status, data, headers = answer_of(connection)
            assert (status, data["detail"]) == (503, "the server is stopping; send the image again later")
            assert headers["retry-after"] == "60"
        ending.process.wait(20)
