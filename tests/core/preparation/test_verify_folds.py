"""What the cases of a dataset, as a whole and in folds, can be used for."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.io.images import Geometry, write_image, write_label
from nnplug.preparation.verify import verify
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent

IDENTITY = tuple(np.eye(3).ravel().tolist())
SHAPE = (3, 4, 5)


def place(spacing=(1.0, 1.0, 1.0)) -> Geometry:
    return Geometry(SHAPE, spacing, spacing[::-1], (0.0, 0.0, 0.0), IDENTITY)


@pytest.fixture
def make(tmp_path):
    """Write a dataset: case -> label values; `names` are those of the images, `spacings` those of some cases."""

    def make(cases, *, spacings=None, ending=".nii.gz", **more):
        folder = tmp_path / "Dataset001_A"
        for number, (name, values) in enumerate(cases.items()):
            geometry = place((spacings or {}).get(name, (1.0, 1.0, 1.0)))
            image = np.random.RandomState(number).rand(*SHAPE).astype(np.float32) + 1
            write_image(folder / "imagesTr" / f"{name}_0000{ending}", image, geometry)
            write_label(folder / "labelsTr" / f"{name}{ending}", np.resize(np.array(values, np.uint8), SHAPE), geometry)
        labels = {"background": 0, "a": 1, "rare": 2}
        raw = {"channel_names": {"0": "CT"}, "labels": labels, "numTraining": len(cases), "file_ending": ending, **more}
        (folder / "dataset.json").write_text(json.dumps(raw))
        return folder

    return make


def check(folder):
    return verify(Dataset.open(folder), executor=LocalExecutor(1), progress=Silent())


def test_one_case_is_told_to_be_validated_on_itself(make):
    report = check(make({"x": (0, 1, 2)}))
    assert report.problems == ()
    assert "has one case: fold 0 is validated on the case that it learns from" in report.warnings[-1]


def test_classes_that_folds_lack_are_named(make):
    folder = make({"u": (0, 1, 2), "v": (0, 1), "w": (0, 1), "x": (0, 1, 2)})
    folds = [{"train": ["u", "v"], "val": ["w"]}, {"train": ["v", "w"], "val": ["x"]}]
    (folder / "splits_final.json").write_text(json.dumps(folds))
    validation, training = check(folder).warnings
    assert "label 'rare' is in no validation case of fold 0 (it is in 2 of 4 cases)" in validation
    assert "label 'rare' is in no training case of fold 1" in training


def test_a_fold_that_validates_on_training_cases_is_named(make):
    folder = make({"u": (0, 1, 2), "v": (0, 1, 2)})
    everything = {"train": ["u", "v"], "val": ["u", "v"]}
    (folder / "splits_final.json").write_text(json.dumps([everything]))
    (line,) = check(folder).warnings
    assert "fold 0 is validated on training cases (u)" in line


def test_patients_that_are_taken_for_channels_are_recognised_by_their_label_maps(make, tmp_path):
    folder = make({"x": (0, 1, 2)})
    for number in (0, 1):
        (folder / "imagesTr" / "x_0000.nii.gz").with_name(f"p_{number:04d}.nii.gz").write_bytes(
            (folder / "imagesTr" / "x_0000.nii.gz").read_bytes()
        )
        (folder / "labelsTr" / f"p_{number:04d}.nii.gz").write_bytes((folder / "labelsTr" / "x.nii.gz").read_bytes())
    (folder / "imagesTr" / "x_0000.nii.gz").unlink()
    (folder / "labelsTr" / "x.nii.gz").unlink()
    line = check(folder).problems[0]
    assert "p_0000 and p_0001 look like patients, but are taken for channels of 'p'" in line
    assert (
        "rename the images to p0_0000.nii.gz and p1_0000.nii.gz and the label maps to p0.nii.gz and p1.nii.gz" in line
    )


def test_labels_that_cropping_removes_are_counted(make):
    folder = make({"u": (1, 1, 1), "v": (0, 1, 2), "w": (0, 1, 2)})
    image = np.zeros(SHAPE, np.float32)
    image[:, 1:3, 1:3] = np.arange(12).reshape(3, 2, 2) + 1
    write_image(folder / "imagesTr" / "u_0000.nii.gz", image, place())
    line = next(line for line in check(folder).warnings if "cropping" in line)
    assert "u.nii.gz: 48 labelled voxels lie where the image is 0 up to its border" in line


def test_a_case_in_another_unit_is_named(make):
    folder = make(dict.fromkeys("uvwx", (0, 1, 2)), spacings={"w": (0.001, 0.001, 0.001)})
    (line,) = [line for line in check(folder).warnings if "spacing" in line]
    assert "case 'w' has spacing 0.001 x 0.001 x 0.001 mm (z, y, x), the median of the dataset is 1 x 1 x 1 mm" in line


def test_files_that_are_no_images_are_a_warning_and_images_that_fit_no_case_a_problem(make):
    folder = make({"u": (0, 1, 2), "v": (0, 1, 2)})
    for name in ("imagesTr/README.txt", "imagesTr/Thumbs.db", "labelsTr/labels.csv", "imagesTr/stray.nii.gz"):
        (folder / name).write_bytes(b"x")
    report = check(folder)
    (problem,) = report.problems
    assert "stray.nii.gz: does not fit CASE_0000.nii.gz" in problem
    assert [line.partition("Dataset001_A/")[2] for line in report.warnings] == [
        "imagesTr: README.txt, Thumbs.db: no images, left out",
        "labelsTr: labels.csv: no images, left out",
    ]


@pytest.mark.parametrize("ending", [".NII.GZ", ".NII", ".NRRD", ".TIF"])
def test_file_endings_in_upper_case_are_read_and_written(ending, make):
    folder = make({"u": (0, 1, 2), "v": (0, 1, 2)}, ending=ending)
    assert check(folder).problems == ()
