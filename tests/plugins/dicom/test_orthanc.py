"""A PACS stores segmentation and structure set under the study of their series, and gives them back."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request

import numpy as np
import pytest

from nnplug.io.images import write_label
from nnplug_dicom.rtstruct_writer import RtstructWriter
from nnplug_dicom.seg_writer import SegWriter


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def orthanc(tmp_path):
    """`orthanc(PATH)`: the answer of a running Orthanc, as bytes; `orthanc.dicom` is its DICOM port."""
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

    ask.dicom = dicom
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


def test_predictions_lie_in_the_study_of_their_series(phantom, program, orthanc, by_highdicom, tmp_path):
    made = phantom("oblique")
    SegWriter().write(tmp_path / "a.seg.dcm", made.predicted)
    RtstructWriter().write(tmp_path / "a.rtstruct.dcm", made.predicted)
    files = [*made.folder.iterdir(), tmp_path / "a.seg.dcm", tmp_path / "a.rtstruct.dcm"]
    program("dcmtk", "storescu", "-R", "127.0.0.1", orthanc.dicom, *files)
    assert len(json.loads(orthanc("/patients"))) == 1
    (study,) = json.loads(orthanc("/studies?expand"))
    series = [json.loads(orthanc(f"/series/{one}")) for one in study["Series"]]
    found = {one["MainDicomTags"]["Modality"]: one["Instances"] for one in series}
    assert {kind: len(instances) for kind, instances in found.items()} == {"CT": 15, "SEG": 1, "RTSTRUCT": 1}
    (tmp_path / "back.dcm").write_bytes(orthanc(f"/instances/{found['SEG'][0]}/file"))
    write_label(tmp_path / "labels.nii.gz", made.labels, made.geometry)
    assert np.array_equal(by_highdicom(tmp_path / "back.dcm", tmp_path / "labels.nii.gz"), made.labels)
