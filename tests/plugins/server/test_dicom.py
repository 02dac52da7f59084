"""DICOM series at the running command, and their segmentations; with Orthanc too."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from nnplug.io.images import read_label

pytestmark = pytest.mark.skipif(find_spec("highdicom") is None, reason="not checked: nnplug-dicom is not installed")

PAGE = Path(__file__).parents[3] / "docs" / "server.md"
SEGMENTS = ("organ", "tumour")


@pytest.fixture(scope="module")
def series(tmp_path_factory, bundle, predict):
    """An oblique series as a folder and as a zip file, and its label map by `nnplug predict`."""
    from nnplug_dicom.example import Acquisition, write_series

    folder = tmp_path_factory.mktemp("series")
    rng = np.random.default_rng(1)
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (15, 40, 44)), indexing="ij")
    voxels = (rng.normal(0, 60, (15, 40, 44)) + 400 * (x**2 + y**2 + z**2 < 0.4)).astype(np.int16)
    half = 2**-0.5
    write_series(folder / "anna", voxels, Acquisition(cosines=(half, half, 0, 0, 0, -1)))
    pack(folder / "anna.zip", folder / "anna")
    predict(folder / "anna", folder / "out", bundle)
    assert read_label(folder / "out/anna.nii.gz").array.any()
    return folder


def pack(path, *folders):
    with zipfile.ZipFile(path, "w") as archive:
        for folder in folders:
            for file in sorted(folder.iterdir()):
                archive.write(file, f"{folder.name}/{file.name}")


def segments_of(seg, labels):
    """The segment numbers of a SEG at the voxels of a label map, by highdicom."""
    import highdicom

    volume = highdicom.seg.segread(seg).get_volume(combine_segments=True)
    geometry = labels.geometry
    indices = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), axis=-1).reshape(-1, 3)[:, ::-1]
    axes = np.reshape(geometry.direction, (3, 3)) * np.array(geometry.file_spacing)
    places = indices @ axes.T + np.array(geometry.origin)
    own = np.rint((places - volume.affine[:3, 3]) @ np.linalg.inv(volume.affine[:3, :3]).T).astype(int)
    inside = ((own >= 0) & (own < np.array(volume.array.shape))).all(axis=1)
    found = np.zeros(len(own), np.int16)
    found[inside] = volume.array[tuple(own[inside].T)]
    return found.reshape(geometry.shape)


def test_the_segmentation_of_a_zip_file_has_the_labels_of_predict(server, series, tmp_path):
    import pydicom

    expected = read_label(series / "out/anna.nii.gz")
    answered = server.send("/infer/organs?output=dicom_seg", series / "anna.zip", params='{"label_info": []}')
    assert (answered.status, answered.headers["content-type"]) == (200, "application/dicom")
    (tmp_path / "a.dcm").write_bytes(answered.body)
    assert np.array_equal(segments_of(tmp_path / "a.dcm", expected), expected.array)
    header = pydicom.dcmread(tmp_path / "a.dcm")
    assert tuple(segment.SegmentLabel for segment in header.SegmentSequence) == SEGMENTS
    assert header.StudyInstanceUID == pydicom.dcmread(next((series / "anna").iterdir())).StudyInstanceUID
    assert not server.left()


def test_slices_may_be_sent_one_by_one_and_answered_in_nifti(server, series, tmp_path):
    files = sorted((series / "anna").iterdir())
    sent = [(f"IM{n}", file.read_bytes()) for n, file in enumerate(files[::-1])]
    answered = server.send("/infer/organs?output=image", *sent)
    (tmp_path / "labels.nii.gz").write_bytes(answered.body)
    expected, found = read_label(series / "out/anna.nii.gz"), read_label(tmp_path / "labels.nii.gz")
    assert np.array_equal(found.array, expected.array)
    assert np.allclose(found.geometry.origin, expected.geometry.origin)


def test_series_are_chosen_and_faults_name_the_slice(server, series, tmp_path):
    from nnplug_dicom.example import Acquisition, write_series

    write_series(tmp_path / "two", None, Acquisition(number=2, description="Scout"))
    pack(tmp_path / "study.zip", series / "anna", tmp_path / "two")
    refused = server.send("/infer/organs", tmp_path / "study.zip")
    assert refused.status == 400
    head = 'study.zip: holds 2 image series. Choose with the parameter {"series": ID}; there are:; '
    assert refused.detail.startswith(head)
    (uid,) = re.match(r"([\d.]+): CT .*Scout", refused.detail.removeprefix(head)).groups()
    found = server.send("/infer/organs?output=json", tmp_path / "study.zip", params=json.dumps({"series": uid}))
    assert found.status == 200
    files = sorted((series / "anna").iterdir())
    del files[7]
    refused = server.send("/infer/organs", *((file.name, file.read_bytes()) for file in files))
    assert (refused.status, refused.detail[:40]) == (400, "slice_0008.dcm: lies 6 mm from the slice")
    refused = server.send("/infer/organs", series / "anna.zip", (files[0].name, files[0].read_bytes()))
    assert (refused.status, refused.detail) == (400, "anna.zip: is one of 2 files; send a zip file alone")


def test_a_segmentation_needs_a_series(server, write_image, tmp_path):
    refused = server.send("/infer/organs?output=dicom_seg", write_image(tmp_path / "a.nii.gz"))
    assert (refused.status, refused.detail[:32]) == (400, "a.nii.gz: is no DICOM series, wh")


def blocks():
    """The commands of the page that talk to a running server and to Orthanc, as one script each."""
    found = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return [block for block in found if "nnplug serve" not in block]


def shell(block, words, folder):
    for word, value in words.items():
        block = block.replace(word, str(value))
    done = subprocess.run(["bash", "-euc", block], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_the_page(server, series, bundle, orthanc, write_image, tmp_path):
    """curl sends an image, a series and a session; a series goes from Orthanc to the server, and its SEG back."""
    for package, program in {"curl": "curl", "dcmtk": "storescu"}.items():
        if shutil.which(program) is None:
            pytest.skip(f"needs the Debian package {package}: apt-get install {package}")
    write_image(tmp_path / "ct.nii.gz", 1)
    shutil.copy(series / "anna.zip", tmp_path / "series.zip")
    subprocess.run(["storescu", "127.0.0.1", str(orthanc.dicom), *(series / "anna").iterdir()], check=True)
    (name,) = json.loads(orthanc("/series"))
    words = {
        "http://127.0.0.1:8000": server.url,
        "http://127.0.0.1:8042": orthanc.url,
        "MODEL": "organs",
        "SERIES": name,
    }
    about, image, session, pacs = blocks()
    assert '"organs"' in shell(about, words, tmp_path)
    shell(image, words, tmp_path)
    assert read_label(tmp_path / "labels.nii.gz").array.any()
    expected = read_label(series / "out/anna.nii.gz")
    assert np.array_equal(segments_of(tmp_path / "labels.seg.dcm", expected), expected.array)
    assert '"label_names"' in shell(session, words, tmp_path)
    shell(pacs, words, tmp_path)
    (study,) = json.loads(orthanc("/studies?expand"))
    kinds = {}
    for one in study["Series"]:
        found = json.loads(orthanc(f"/series/{one}"))
        kinds[found["MainDicomTags"]["Modality"]] = found["Instances"]
    assert set(kinds) == {"CT", "SEG"}
    (tmp_path / "back.dcm").write_bytes(orthanc(f"/instances/{kinds['SEG'][0]}/file"))
    assert np.array_equal(segments_of(tmp_path / "back.dcm", expected), expected.array)
