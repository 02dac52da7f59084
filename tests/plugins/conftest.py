"""Fixtures that tests of several plugins share."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def orthanc(tmp_path):
    """`orthanc(PATH)`: the answer of a running Orthanc, as bytes; `.dicom` is its DICOM port, `.url` its address."""
    command = shutil.which("Orthanc") or shutil.which("/usr/sbin/Orthanc")
    if command is None:
        pytest.skip("needs the Debian package orthanc: apt-get install orthanc")
    http, dicom = free_port(), free_port()
    settings = {
        "HttpPort": http,
        "DicomPort": dicom,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StorageDirectory": str(tmp_path / "store"),
        "IndexDirectory": str(tmp_path / "store"),
        "DicomAlwaysAllowStore": True,
        "Plugins": [],
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([command, str(tmp_path / "orthanc.json")], stdout=log, stderr=log)

    def ask(path):
        with urllib.request.urlopen(f"http://127.0.0.1:{http}{path}", timeout=20) as answer:
            return answer.read()

    ask.dicom, ask.url = dicom, f"http://127.0.0.1:{http}"
    try:
        for _ in range(150):
            try:
                ask("/system")
                break
            except OSError:
                assert server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.2)
        yield ask
    finally:
        server.terminate()
        server.wait(20)
