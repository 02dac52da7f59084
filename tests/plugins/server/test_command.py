"""The command `nnplug serve`: what it refuses before it serves; names and tokens."""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.datastructures import Headers

from nnplug.errors import NnplugError
from nnplug_cli.main import main
from nnplug_server.access import VARIABLE, Access, is_loopback, read_token
from nnplug_server.models import DeviceOptions, open_models
from nnplug_server.refusal import Refusal
from nnplug_server.told import Told


def line_of(*words):
    result = CliRunner().invoke(main, ["serve", *map(str, words)])
    assert result.exit_code == 1, result.output
    (line,) = (line for line in result.stderr.splitlines() if not line.startswith(("notice: ", "warning: ")))
    return line.removeprefix("error: ")


def test_other_machines_need_a_token(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert line_of("-m", "a", "--host", "0.0.0.0") == (
        "--host 0.0.0.0: other machines would reach the server without a token; write one to a file and give "
        "--token-file FILE, or set NNPLUG_SERVER_TOKEN"
    )
    token = tmp_path / "token"
    token.write_text("short\n")
    assert line_of("-m", "a", "--host", "0.0.0.0", "--token-file", token) == (
        f"{token}: its token has 5 characters; expected at least 16 letters, digits or signs without spaces, as "
        "`openssl rand -hex 32` makes them"
    )
    assert line_of("-m", "a", "--token-file", tmp_path / "absent").startswith(f"{tmp_path / 'absent'}: cannot be read")
    monkeypatch.setenv(VARIABLE, "with spaces in its middle")
    assert line_of("-m", "a").startswith(f"{VARIABLE}: its token has 25 characters; expected")


def test_a_port_that_is_taken_and_a_model_that_is_absent_are_lines(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert line_of("-m", "a", "--port", port) == (
            f"127.0.0.1:{port}: cannot be served (Address already in use); give another --port or --host"
        )
    assert "absent" in line_of("-m", tmp_path / "absent", "--port", 0)


def test_names_of_models(bundle, plugins, told):
    found = open_models([str(bundle), f"liver={bundle}"], DeviceOptions("cpu"), plugins, told)
    assert list(found) == ["organs", "liver"]
    with pytest.raises(NnplugError, match=r"a model called 'organs' is there already; give it a name with -m NAME="):
        open_models([str(bundle), str(bundle)], DeviceOptions("cpu"), plugins, told)
    with pytest.raises(NnplugError, match=r"'a b' cannot stand in an address; give it a name with -m NAME="):
        open_models([f"a b={bundle}"], DeviceOptions("cpu"), plugins, told)


@pytest.fixture
def plugins():
    from nnplug.registry.loader import Plugins

    return Plugins()


@pytest.fixture
def told():
    from nnplug.runtime.progress import Silent

    return Told(Silent())


def test_messages_about_an_image_go_to_its_client_and_others_to_the_server(monkeypatch):
    from nnplug.runtime.progress import Silent

    heard, server = [], Silent()
    monkeypatch.setattr(server, "notice", heard.append, raising=False)
    monkeypatch.setattr(server, "warning", heard.append, raising=False)
    told = Told(server)
    told.notice("start")
    with told.collected() as lines:
        told.notice("a")
        told.warning("b")
    told.warning("end")
    assert (heard, lines) == (["start", "end"], ["a", "b"])


@pytest.mark.parametrize(
    ("host", "is_ours"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("pc", False)]
)
def test_addresses_of_this_machine(host, is_ours):
    assert is_loopback(host) is is_ours


def test_without_a_token_other_names_of_this_machine_are_refused():
    access = Access()
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000"):
        access.check("/info/", Headers({"host": host}))
    for host in ("evil.example:8000", "", "127.0.0.1.evil.example", "10.0.0.1"):
        with pytest.raises(Refusal, match="this server answers on 127.0.0.1 and localhost"):
            access.check("/info/", Headers({"host": host}))
    assert read_token(None, None) is None
    assert "secret" not in repr(Access("secret" * 4))


def test_a_wrong_length_and_a_foreign_host_are_refused_by_the_running_server(server):
    assert server.ask("/info/", Host="evil.example").status == 403
    connection = server.connect()
    connection.putrequest("POST", "/infer/organs")
    connection.putheader("Content-Length", "-1")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()


def test_the_commands_of_the_page_serve(tmp_path, monkeypatch):
    page = (Path(__file__).parents[3] / "docs" / "server.md").read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    if shutil.which("openssl") is None:
        pytest.skip("needs the Debian package openssl: apt-get install openssl")
    begun, printed = [], []

    def begin(models, address, access, *_, ready, **__):
        begun.append((models, address, access))
        ready("http://127.0.0.1:8000")

    monkeypatch.setattr("nnplug_server.serve.serve", begin)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    for line in lines:
        if line.startswith("openssl "):
            subprocess.run(line, shell=True, check=True)
        elif line.startswith("nnplug serve "):
            result = CliRunner().invoke(main, shlex.split(line)[1:])
            assert result.exit_code == 0, result.output
            printed.append(result.stdout.splitlines())
    assert printed == [
        ["serving: http://127.0.0.1:8000", f"next: curl {header}http://127.0.0.1:8000/info/"]
        for header in ("", "-H 'Authorization: Bearer TOKEN' ")
    ]
    (models, here, free), (_, everywhere, guarded) = begun
    assert (models, here, free) == (("BUNDLE",), ("127.0.0.1", 8000), Access())
    assert everywhere == ("0.0.0.0", 8000)
    assert guarded.admits((tmp_path / "token").read_text().strip())
    assert not guarded.admits("")
