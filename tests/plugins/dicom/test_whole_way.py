"""The way of a clinic with the installed command: a series in a zip file, its prediction, a PACS, and back."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from nnplug.io.images import read_image, read_label
from nnplug.pictures.colours import label_colour
from nnplug_dicom.example import Acquisition, write_series

pytestmark = pytest.mark.slow  # a CT is predicted on a CPU


def nnplug(*words):
    """Run the installed command; gives what it prints on stderr."""
    command = Path(sys.executable).with_name("nnplug")
    done = subprocess.run([command, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def zipped_series(image, folder):
    """Write a CT as a series, and a zip file of it; gives the zip and the files of the series."""
    volume, spacing = read_image([image]), read_image([image]).geometry.file_spacing
    cosines = np.reshape(volume.geometry.direction, (3, 3))
    where = Acquisition(tuple(cosines[:, :2].T.ravel()), volume.geometry.origin, (spacing[1], spacing[0]), spacing[2])
    paths = write_series(folder / "series", np.clip(volume.array[0], -1024, 3071).astype(np.int16), where)
    with zipfile.ZipFile(folder / "anna.zip", "w") as archive:
        for path in paths:
            archive.write(path, f"export/{path.name}")
    return folder / "anna.zip", paths


@pytest.fixture
def predicted(shared, tmp_path):
    """`predicted(WORDS ..)`: the folder of a head-and-neck CT that is predicted from a zip file, and the series."""
    model, out = shared / "reference" / "models" / "ct-nomirror", tmp_path / "out"
    archive, paths = zipped_series(model / "images" / "pt_100_0000.nii.gz", tmp_path)
    nnplug("model", "import-nnunet", model / "model", "-o", tmp_path / "model.zip")

    def run(*words):
        nnplug("predict", "-i", archive, "-o", out, "-m", tmp_path / "model.zip", "--device", "cpu", *words)
        return out, paths

    return run


def test_a_series_comes_back_from_the_pacs_with_every_voxel(
    predicted, program, orthanc, by_highdicom, shared, tmp_path
):
    out, series = predicted(
        "-ot", "nifti", "dicom-seg", "dicom-rtstruct", "--statistics", "--preview", "--report", "--no-mirroring"
    )
    label_map = read_label(out / "anna.nii.gz")
    reference = read_label(shared / "reference" / "models" / "ct-nomirror" / "predictions" / "pt_100.nii.gz")
    assert (label_map.array == reference.array).mean() > 0.999

    program(
        "dcmtk", "storescu", "-R", "127.0.0.1", orthanc.dicom, *series, out / "anna.seg.dcm", out / "anna.rtstruct.dcm"
    )
    (study,) = json.loads(orthanc("/studies?expand"))
    found = {}
    for one in study["Series"]:
        stored = json.loads(orthanc(f"/series/{one}"))
        found[stored["MainDicomTags"]["Modality"]] = stored["Instances"]
    assert {kind: len(instances) for kind, instances in found.items()} == {"CT": len(series), "SEG": 1, "RTSTRUCT": 1}

    (tmp_path / "back.dcm").write_bytes(orthanc(f"/instances/{found['SEG'][0]}/file"))
    numbers = by_highdicom(tmp_path / "back.dcm", out / "anna.nii.gz")
    segments = pydicom.dcmread(tmp_path / "back.dcm").SegmentSequence
    names = [segment.SegmentLabel for segment in segments]
    assert len(names) == 7
    assert np.array_equal(numbers, label_map.array)  # the classes have the values 1 to 7
    back = pydicom.dcmread(io.BytesIO(orthanc(f"/instances/{found['RTSTRUCT'][0]}/file")))
    assert [roi.ROIName for roi in back.StructureSetROISequence] == names

    with (out / "statistics.csv").open() as table:
        rows = {row["class"]: row for row in csv.DictReader(table)}
    voxel = float(np.prod(label_map.geometry.file_spacing))
    for number, name in enumerate(names, 1):
        assert int(rows[name]["voxels"]) == np.count_nonzero(numbers == number)
        assert float(rows[name]["volume_mm3"]) == pytest.approx(np.count_nonzero(numbers == number) * voxel)
    pixels = np.asarray(Image.open(out / "previews" / "anna.png"))
    assert (pixels == label_colour(7)).all(axis=-1).any()  # the mandible in the legend
    (entry,) = json.loads((out / "report.json").read_text())["cases"].values()
    assert [one["path"] for one in entry["outputs"]] == [
        *("anna.nii.gz", "anna.seg.dcm", "anna.rtstruct.dcm", "previews/anna.png"),
    ]


def test_kept_classes_alone_are_segments(predicted, by_highdicom):
    words = ("-ot", "dicom-seg", "dicom-rtstruct", "--classes", "Mandible", "SpinalCord", "--step-size", "1")
    out, _ = predicted(*words, "--no-mirroring")
    seg, structures = pydicom.dcmread(out / "anna.seg.dcm"), pydicom.dcmread(out / "anna.rtstruct.dcm")
    assert [one.SegmentLabel for one in seg.SegmentSequence] == ["SpinalCord", "Mandible"]
    assert [one.ROIName for one in structures.StructureSetROISequence] == ["SpinalCord", "Mandible"]
    label_map = read_label(out / "anna.nii.gz").array
    assert set(np.unique(label_map)) == {0, 2, 7}
    numbers = by_highdicom(out / "anna.seg.dcm", out / "anna.nii.gz")
    assert np.array_equal(np.array([0, 2, 7])[numbers], label_map)
