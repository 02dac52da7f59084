"""SEG and RTSTRUCT give the label map back, in highdicom, dcmqi and plastimatch, and dciodvfy finds no error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from nnplug.contracts import PredictedCase
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile
from nnplug.inference.outputs.kept_classes import keep_classes, kept_description
from nnplug.io.geometry import LabelMap
from nnplug.io.images import read_image, write_label
from nnplug_dicom.example import Acquisition, write_series
from nnplug_dicom.reader import DicomReader
from nnplug_dicom.rtstruct_writer import RtstructWriter
from nnplug_dicom.seg_writer import SegWriter
from nnplug_dicom.series_writer import SeriesWriter, series_number

RAW = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "organ": 1, "tumour": 2},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}
DESCRIPTION = DatasetDescription.from_data(RAW, "test")
MODEL = ("Dataset001_A nnunet 3d_fullres", "0123456789ab")
CASES = [(name, turn) for name in ("axial", "sagittal", "oblique", "negated") for turn in ((), ("RAS",))]


def by_dcmqi(seg, folder, on_grid, reference):
    """Labels by dcmqi, the segments one after the other."""
    command = Path(sys.executable).with_name("segimage2itkimage")
    if not command.exists():
        command = Path(shutil.which("segimage2itkimage") or pytest.skip("not checked: dcmqi is not installed"))
    folder.mkdir()
    words = [command, "--inputDICOM", seg, "--outputDirectory", folder, "--outputType", "nifti"]
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    labels = 0
    for number, path in enumerate(sorted(folder.glob("*.nii.gz")), 1):
        labels = np.where(on_grid(sitk.ReadImage(str(path)), reference) > 0, number, labels)
    return labels


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other))


def nifti(made, folder):
    write_label(folder / "labels.nii.gz", made.labels, made.geometry)
    return folder / "labels.nii.gz"


@pytest.mark.parametrize(("name", "turn"), CASES)
def test_a_segmentation_gives_every_voxel_back(phantom, errors, on_grid, by_highdicom, tmp_path, name, turn):
    made, path = phantom(name, turn), tmp_path / "a.seg.dcm"
    SegWriter().write(path, made.predicted)
    reference = nifti(made, tmp_path)
    assert np.array_equal(by_highdicom(path, reference), made.labels)
    assert np.array_equal(by_dcmqi(path, tmp_path / "dcmqi", on_grid, reference), made.labels)
    assert errors(path) == []


@pytest.mark.parametrize(("name", "turn"), [*CASES, ("tilted", ()), ("tilted", ("RAS",))])
def test_a_structure_set_gives_the_label_map_back(phantom, program, errors, on_grid, tmp_path, name, turn):
    made, path, out = phantom(name, turn), tmp_path / "a.rtstruct.dcm", tmp_path / "out"
    RtstructWriter().write(path, made.predicted)
    words = ("convert", "--input", path, "--referenced-ct", made.folder, "--output-prefix", out)
    program("plastimatch", "plastimatch", *words, "--prefix-format", "nii.gz", "--output-labelmap", out / "all.nii.gz")
    for value, structure in ((1, "organ"), (2, "tumour")):
        found = on_grid(sitk.ReadImage(str(out / f"{structure}.nii.gz")), nifti(made, tmp_path)) > 0
        # a tilt moves slices by parts of a pixel, so that the border of the smaller class is rounded twice
        assert dice(found, made.labels == value) >= (0.97 if name == "tilted" else 0.99)
    assert errors(path) == []


def test_labels_are_brought_back_onto_tilted_slices(phantom, errors, tmp_path):
    made, path = phantom("tilted"), tmp_path / "a.seg.dcm"
    SegWriter().write(path, made.predicted)
    headers = sorted((pydicom.dcmread(file) for file in made.folder.iterdir()), key=lambda h: h.InstanceNumber)
    seg = highdicom.seg.segread(path)
    frames = seg.get_pixels_by_source_instance(
        [h.SOPInstanceUID for h in headers], combine_segments=True, assert_missing_frames_are_empty=True
    )
    for number, frame in enumerate(frames):
        first = round(number * 0.8 / 1.5)
        assert np.array_equal(frame, made.labels[number, first : first + frame.shape[0]])
    assert (frames == 2).any()
    assert errors(path) == []


@pytest.mark.parametrize("writer", [SegWriter, RtstructWriter])
def test_a_prediction_belongs_to_the_patient_and_study_of_its_series(phantom, tmp_path, writer):
    made = phantom()
    writer().write(tmp_path / "a.dcm", made.predicted)
    header, source = pydicom.dcmread(tmp_path / "a.dcm"), pydicom.dcmread(next(made.folder.iterdir()))
    shared = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "FrameOfReferenceUID")
    for name in (*shared, "StudyDate", "AccessionNumber"):
        assert header[name].value == source[name].value
    assert header.SeriesInstanceUID != source.SeriesInstanceUID
    assert MODEL[0] in header.SeriesDescription
    assert source.SeriesInstanceUID in str(header)


def test_a_name_of_one_part_is_written_without_a_warning(phantom, tmp_path, recwarn):
    made = phantom()
    for file in made.folder.iterdir():
        source = pydicom.dcmread(file)
        source.PatientName = "anonymous"
        source.save_as(file)
    SegWriter().write(tmp_path / "a.dcm", made.predicted)
    assert pydicom.dcmread(tmp_path / "a.dcm").PatientName == "anonymous"
    assert [str(one.message) for one in recwarn] == []


def test_segments_have_codes_colours_and_the_model(phantom, tmp_path):
    SegWriter().write(tmp_path / "a.dcm", phantom().predicted)
    organ, tumour = pydicom.dcmread(tmp_path / "a.dcm").SegmentSequence
    (kind,) = organ.SegmentedPropertyTypeCodeSequence
    (modifier,) = kind.SegmentedPropertyTypeModifierCodeSequence
    assert (organ.SegmentLabel, kind.CodeMeaning, modifier.CodeMeaning) == ("organ", "Kidney", "Left")
    assert tumour.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"
    (algorithm,) = organ.SegmentationAlgorithmIdentificationSequence
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == MODEL
    assert organ.SegmentAlgorithmType == "AUTOMATIC"
    assert algorithm.AlgorithmFamilyCodeSequence[0].CodeMeaning == "Artificial Intelligence"
    assert organ.RecommendedDisplayCIELabValue != tumour.RecommendedDisplayCIELabValue


def test_regions_are_segments_that_overlap(phantom, errors, by_highdicom, tmp_path):
    regions = {**RAW, "labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}
    made = phantom()
    predicted = replace(made.predicted, description=DatasetDescription.from_data(regions, "test"))
    SegWriter().write(tmp_path / "a.dcm", predicted)
    RtstructWriter().write(tmp_path / "b.dcm", predicted)
    reference = nifti(made, tmp_path)
    for number, values in ((1, (1, 2)), (2, (2,))):
        found = by_highdicom(tmp_path / "a.dcm", reference, segments=[number])
        assert np.array_equal(found > 0, np.isin(made.labels, values))
    assert errors(tmp_path / "a.dcm") == errors(tmp_path / "b.dcm") == []


def test_kept_classes_alone_are_segments(phantom, by_highdicom, tmp_path):
    made = phantom()
    description = kept_description(made.predicted.description, ["tumour"])
    kept = LabelMap(keep_classes(made.labels, description.labels), made.geometry)
    predicted = replace(made.predicted, description=description, label_map=kept)
    SegWriter().write(tmp_path / "a.dcm", predicted)
    RtstructWriter().write(tmp_path / "b.dcm", predicted)
    assert np.array_equal(by_highdicom(tmp_path / "a.dcm", nifti(made, tmp_path)) == 1, made.labels == 2)
    assert [one.SegmentLabel for one in pydicom.dcmread(tmp_path / "a.dcm").SegmentSequence] == ["tumour"]
    assert [one.ROIName for one in pydicom.dcmread(tmp_path / "b.dcm").StructureSetROISequence] == ["tumour"]


@pytest.mark.parametrize("writer", [SegWriter, RtstructWriter])
def test_background_alone_is_written_without_an_error(phantom, errors, tmp_path, writer):
    made = phantom()
    empty = LabelMap(np.zeros_like(made.labels), made.geometry)
    writer().write(tmp_path / "a.dcm", replace(made.predicted, label_map=empty))
    assert errors(tmp_path / "a.dcm") == []


@pytest.mark.parametrize("writer", [SegWriter, RtstructWriter])
def test_an_image_that_is_no_series_is_refused_before_it_is_predicted(phantom, tmp_path, writer):
    case = CaseFiles("a", (tmp_path / "a_0000.nii.gz",))
    with pytest.raises(InvalidFile, match=r"a_0000.nii.gz: is no DICOM series, whose patient and study"):
        writer().check(case, DESCRIPTION)
    (notice,) = writer().check(phantom().predicted.case, DESCRIPTION)
    assert notice.startswith("organ, tumour: no code is known, so DICOM segments are coded as tissue")


def test_a_ct_of_head_and_neck_comes_back(shared, program, errors, on_grid, by_highdicom, tmp_path):
    """A real volume with its real label map, made into a series of float64 positions."""
    source = shared / "data" / "Dataset201_HeadNeckCT"
    label = min((source / "labelsTr").iterdir())
    image = read_image([next((source / "imagesTr").glob(f"{label.name.removesuffix('.nii.gz')}_0000*"))])
    cosines, spacing = np.reshape(image.geometry.direction, (3, 3)), image.geometry.file_spacing
    acquisition = Acquisition(
        tuple(cosines[:, :2].T.ravel()), image.geometry.origin, (spacing[1], spacing[0]), spacing[2]
    )
    assert np.allclose(np.cross(cosines[:, 0], cosines[:, 1]), cosines[:, 2])
    write_series(tmp_path / "ct", np.clip(image.array[0], -1024, 3071).astype(np.int16), acquisition)
    (found,) = DicomReader().find_images(tmp_path / "ct", ["RAS"])
    array, geometry = DicomReader().read(found.path)
    reference = sitk.DICOMOrient(sitk.ReadImage(str(label)), "RAS")
    labels = sitk.GetArrayFromImage(reference).astype(np.int16)
    assert labels.shape == array.shape[1:]
    names = {f"label {value}": int(value) for value in np.unique(labels)[1:]}
    raw = {**RAW, "labels": {"background": 0, **names}}
    predicted = PredictedCase(
        CaseFiles("ct", (found.path,)), LabelMap(labels, geometry), DatasetDescription.from_data(raw, "test"), *MODEL
    )
    seg, rtstruct, out = tmp_path / "a.seg.dcm", tmp_path / "a.rtstruct.dcm", tmp_path / "out"
    SegWriter().write(seg, predicted)
    RtstructWriter().write(rtstruct, predicted)
    write_label(tmp_path / "labels.nii.gz", labels, geometry)
    assert np.array_equal(by_highdicom(seg, tmp_path / "labels.nii.gz"), labels)
    assert np.array_equal(by_dcmqi(seg, tmp_path / "dcmqi", on_grid, tmp_path / "labels.nii.gz"), labels)
    assert errors(seg) == errors(rtstruct) == []
    words = ("convert", "--input", rtstruct, "--referenced-ct", tmp_path / "ct", "--output-prefix", out)
    program("plastimatch", "plastimatch", *words, "--prefix-format", "nii.gz", "--output-labelmap", out / "all.nii.gz")
    for name, value in names.items():
        (file,) = [path for path in out.glob("*.nii.gz") if path.name.replace("_", " ").startswith(name)]
        assert dice(on_grid(sitk.ReadImage(str(file)), tmp_path / "labels.nii.gz") > 0, labels == value) >= 0.99


@pytest.mark.parametrize(("writer", "number"), [(SegWriter, 1000), (RtstructWriter, 2000)])
def test_both_writers_share_software_and_the_counting_of_series(phantom, tmp_path, writer, number):
    assert issubclass(writer, SeriesWriter)
    made = phantom()
    writer().write(tmp_path / "a.dcm", made.predicted)
    header, source = pydicom.dcmread(tmp_path / "a.dcm"), pydicom.dcmread(next(made.folder.iterdir()))
    assert header.SeriesNumber == source.SeriesNumber + number
    assert (header.Manufacturer, header.SoftwareVersions) == ("nnplug", f"nnplug-dicom {version('nnplug-dicom')}")
    source.SeriesNumber = 2**31 - 5
    assert series_number(source, number) == 2**31 - 1
