"""The commands of docs/dicom.md run, in the order of training, then prediction."""

from __future__ import annotations

import re
import shlex
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from click.testing import CliRunner

from nnplug.contracts import PredictedCase
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.io.geometry import LabelMap
from nnplug.io.images import read_label
from nnplug_cli.main import main
from nnplug_dicom.example import Acquisition, write_series
from nnplug_dicom.reader import DicomReader
from nnplug_dicom.seg_writer import SegWriter

PAGE = Path(__file__).parents[3] / "docs" / "dicom.md"
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) for line in block.splitlines()
]
SMALL = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "plan.batch_size=2"),
    *("--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=1"),
    *("--set", "trainer.val_iterations_per_epoch=1", "--set", "plan.patch_size=[16,16,16]"),
    *("--device", "cpu", "--no-mirroring", "--workers", "1"),
)
RAW = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "liver": 1},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}
TABLE = "Name,Type.CodingSchemeDesignator,Type.CodeValue,Type.CodeMeaning\nliver,SCT,10200004,Liver\n"


def patient(folder, number, *, annotated):
    """Write a series with a bright ball, and its SEG; the number moves the ball and names the study."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in (20, 24, 22)), indexing="ij")
    ball = x**2 + (y - 0.05 * number) ** 2 + z**2 < 0.3
    noise = np.random.default_rng(number).integers(-50, 50, ball.shape)
    acquisition = Acquisition(study=number, pixel=(1.0, 1.0), step=1.0)
    write_series(folder, (ball * 800 + noise).astype(np.int16), acquisition)
    (image,) = DicomReader().find_images(folder)
    if annotated:
        place = DicomReader().read_geometry(image.path)
        description = DatasetDescription.from_data(RAW, "test")
        case = PredictedCase(
            CaseFiles("a", (image.path,)), LabelMap(ball.astype(np.int16), place), description, "a", "1"
        )
        SegWriter().write(folder / "labels.dcm", case)
    return image.id


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The words of the page in capitals -> paths."""
    folder = tmp_path_factory.mktemp("page")
    for number in range(5):
        patient(folder / "patients" / f"p{number}", number, annotated=True)
    patient(folder / "study" / "one", 7, annotated=False)
    uid = patient(folder / "study" / "two", 8, annotated=False)
    with zipfile.ZipFile(folder / "anna.zip", "w") as zipped:
        for file in (folder / "study" / "one").iterdir():
            zipped.write(file, f"export/{file.name}")
    (folder / "codes.csv").write_text(TABLE)
    return {
        "PATIENTS": folder / "patients",
        "Dataset123_Organs": folder / "Dataset123_Organs",
        "WORK": folder / "work",
        "MODEL": folder / "work" / "Dataset123_Organs" / "model" / "nnunet_3d_fullres",
        "SERIES": folder / "anna.zip",
        "STUDY": folder / "study",
        "UID": uid,
        "CODES.csv": folder / "codes.csv",
        "OUT": folder / "out",
    }


def run(command, places):
    """Run a command of the page, in a new output folder; gives the result of the command."""
    shutil.rmtree(places["OUT"], ignore_errors=True)
    for word, path in places.items():
        command = re.sub(rf"\b{re.escape(word)}\b", str(path), command)
    words = shlex.split(command)[1:]
    words += SMALL if words[0] == "run" else ["--device", "cpu", "--no-mirroring"] if words[0] == "predict" else []
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def trained(places):
    training = [command for command in COMMANDS if not command.startswith("nnplug predict")]
    assert [command.split()[1] for command in training] == ["dataset", "run"]
    for command in training:
        run(command, places)
    return places


def predictions():
    return [command for command in COMMANDS if command.startswith("nnplug predict")]


def test_a_series_in_a_zip_file_is_predicted_into_its_study(trained, by_highdicom):
    run(predictions()[0], trained)
    out = trained["OUT"]
    label_map = read_label(out / "anna.nii.gz")
    seg, rtstruct = pydicom.dcmread(out / "anna.seg.dcm"), pydicom.dcmread(out / "anna.rtstruct.dcm")
    study = pydicom.dcmread(next((trained["STUDY"] / "one").iterdir())).StudyInstanceUID
    assert seg.StudyInstanceUID == rtstruct.StudyInstanceUID == study
    assert label_map.array.any()
    assert np.array_equal(by_highdicom(out / "anna.seg.dcm", out / "anna.nii.gz"), label_map.array)
    assert seg.SegmentSequence[0].SegmentLabel == "liver"
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Tissue"


def test_a_series_of_a_study_is_chosen(trained):
    run(predictions()[1], trained)
    found = sitk.ReadImage(str(trained["OUT"] / "study.nii.gz"))
    assert found.GetSize() == (22, 24, 20)
    words = ("predict", "-i", trained["STUDY"], "-o", trained["OUT"], "-m", trained["MODEL"])
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == 1
    head, *lines = result.stderr.splitlines()
    assert head == f"error: {trained['STUDY']}: holds 2 image series. Choose with --series ID; there are:"
    assert lines[1].endswith(f"{trained['UID']}: CT 'Phantom', 20 slices")


def test_codes_come_from_a_table(trained):
    printed = run(predictions()[2], trained)
    seg = pydicom.dcmread(trained["OUT"] / "anna.seg.dcm")
    assert seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"
    assert "no code is known" not in printed.stderr


def test_images_that_are_no_series_are_refused_before_anything_is_predicted(trained, tmp_path):
    image = next((trained["Dataset123_Organs"] / "imagesTr").iterdir())
    words = ("predict", "-i", image, "-o", tmp_path / "out", "-m", trained["MODEL"], "-ot", "dicom_seg")
    result = CliRunner().invoke(main, [*map(str, words)])
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert "is no DICOM series, whose patient and study a DICOM file needs" in result.stderr
    assert not (tmp_path / "out").exists()
