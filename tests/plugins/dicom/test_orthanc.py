"""A PACS stores segmentation and structure set under the study of their series, and gives them back."""

from __future__ import annotations

import json

import numpy as np

from nnplug.io.images import write_label
from nnplug_dicom.rtstruct_writer import RtstructWriter
from nnplug_dicom.seg_writer import SegWriter


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
