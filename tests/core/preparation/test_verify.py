from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nnplug.dataset.dataset import Dataset
from nnplug.io.images import Geometry, write_image
from nnplug.preparation.verify import Report, verify
from nnplug.preparation.verify_case import label_values
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SHAPE = (3, 4, 5)
RAW = {
    "channel_names": {"0": "CT", "1": "noNorm"},
    "labels": {"background": 0, "a": 1},
    "numTraining": 3,
    "file_ending": ".nii.gz",
}


def save(path: Path, array, *, spacing=(1.0, 2.0, 3.0), origin=(0.0, 0.0, 0.0), direction=IDENTITY) -> None:
    write_image(path, np.asarray(array), Geometry(np.shape(array), spacing, spacing[::-1], origin, direction))


def image(seed=0, shape=SHAPE):
    return np.random.RandomState(seed).rand(*shape).astype(np.float32)


def label(values=(0, 1), shape=SHAPE):
    return np.resize(np.array(values, np.min_scalar_type(max(values))), shape)


def describe(folder: Path, **changes) -> None:
    (folder / "dataset.json").write_text(json.dumps(RAW | changes))


@pytest.fixture
def folder(tmp_path) -> Path:
    folder = tmp_path / "Dataset001_Box"
    folder.mkdir()
    describe(folder)
    for number, name in enumerate("abc"):
        for channel in range(2):
            save(folder / "imagesTr" / f"{name}_{channel:04d}.nii.gz", image(10 * number + channel))
        save(folder / "labelsTr" / f"{name}.nii.gz", label())
    return folder


def check(folder: Path) -> Report:
    return verify(Dataset.open(folder), executor=LocalExecutor(2), progress=Silent())


def only_problem(folder: Path) -> str:
    (line,) = check(folder).problems
    assert "\n" not in line
    return line


def test_a_sound_dataset_has_nothing_to_report(folder):
    report = check(folder)
    assert report == Report(dataset="Dataset001_Box", cases=3, problems=(), warnings=(), notices=())


def test_all_problems_come_at_once(folder):
    (folder / "labelsTr" / "a.nii.gz").unlink()
    (folder / "imagesTr" / "b_0001.nii.gz").unlink()
    save(folder / "labelsTr" / "c.nii.gz", label((0, 7)))
    describe(folder, numTraining=5)
    assert len(check(folder).problems) == 4


def test_a_missing_label(folder):
    (folder / "labelsTr" / "a.nii.gz").unlink()
    assert only_problem(folder).endswith("labelsTr/a.nii.gz: is missing; add it, or remove the other files of case 'a'")


def test_a_missing_channel(folder):
    (folder / "imagesTr" / "b_0001.nii.gz").unlink()
    line = only_problem(folder)
    assert "imagesTr/b_0001.nii.gz: is missing; dataset.json names 2 channels (CT, noNorm)." in line


def test_an_extra_channel(folder):
    save(folder / "imagesTr" / "b_0002.nii.gz", image(99))
    line = only_problem(folder)
    assert "imagesTr/b_0002.nii.gz: is channel 2, but dataset.json names 2 channels (CT, noNorm); remove" in line


def test_a_gap_in_the_channels_is_missing_and_extra(folder):
    (folder / "imagesTr" / "b_0001.nii.gz").rename(folder / "imagesTr" / "b_0002.nii.gz")
    assert [line.split(": ")[1][:10] for line in check(folder).problems] == ["is missing", "is channel"]


def test_several_channels_in_one_file_are_counted(tmp_path):
    describe(tmp_path, numTraining=1, file_ending=".nrrd")
    save(tmp_path / "imagesTr" / "a_0000.nrrd", image())
    save(tmp_path / "labelsTr" / "a.nrrd", label())
    from SimpleITK import GetImageFromArray, WriteImage

    for channels, problems in ((2, 0), (3, 1)):
        voxels = GetImageFromArray(image(shape=(*SHAPE, channels)), isVector=True)
        voxels.SetSpacing((3.0, 2.0, 1.0))
        WriteImage(voxels, str(tmp_path / "imagesTr" / "a_0000.nrrd"))
        found = check(tmp_path).problems
        assert len(found) == problems
    assert "a_0000.nrrd: the image has 3 channels, expected 2 (CT, noNorm); correct 'channel_names'" in found[0]


def test_an_unreadable_file(folder):
    path = folder / "imagesTr" / "a_0000.nii.gz"
    path.write_bytes(path.read_bytes()[:-20])
    assert only_problem(folder) == f"{path}: is empty or truncated; copy it again or leave its case out."


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd"])
def test_voxels_that_are_no_numbers(value, ending, tmp_path):
    describe(tmp_path, numTraining=1, file_ending=ending, channel_names={"0": "CT"})
    voxels = image()
    voxels[0, 1, 2:4] = value
    save(tmp_path / "imagesTr" / f"a_0000{ending}", voxels)
    save(tmp_path / "labelsTr" / f"a{ending}", label())
    assert only_problem(tmp_path).endswith(
        f"a_0000{ending}: 2 voxels are NaN or infinite, which readers may take for 0; replace them"
    )


def test_nan_in_a_label(folder):
    voxels = label().astype(np.float32)
    voxels[0, 0, 0] = np.nan
    save(folder / "labelsTr" / "a.nii.gz", voxels)
    assert "labelsTr/a.nii.gz: 1 voxels are NaN or infinite" in only_problem(folder)


def test_unknown_label_values_are_quoted(folder):
    save(folder / "labelsTr" / "a.nii.gz", label((0, 1, 1, 7, 300)))
    line = only_problem(folder)
    assert "labelsTr/a.nii.gz: holds 7 (12 voxels)" in line
    assert "; dataset.json knows 0, 1. Correct" in line


def test_fractional_label_values_are_quoted(folder):
    save(folder / "labelsTr" / "a.nii.gz", label() * np.float32(0.5))
    assert "labelsTr/a.nii.gz: holds 0.5, which is no label value" in only_problem(folder)


def test_the_values_of_regions_and_the_ignore_label_are_known(folder):
    labels = {"background": 0, "whole": [1, 2], "core": [2], "ignore": 3}
    describe(folder, labels=labels, regions_class_order=[1, 2])
    save(folder / "labelsTr" / "a.nii.gz", label((0, 1, 2, 3)))
    assert check(folder).problems == ()
    save(folder / "labelsTr" / "a.nii.gz", label((0, 1, 2, 4)))
    assert "holds 4 (15 voxels); dataset.json knows 0, 1, 2, 3" in only_problem(folder)


@pytest.mark.parametrize("name", ["imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz"])
def test_another_shape(name, folder):
    save(folder / name, label(shape=(3, 4, 6)))
    line = only_problem(folder)
    assert f"{name}: has shape (3, 4, 6), " in line
    assert "imagesTr/a_0000.nii.gz has (3, 4, 5) (z, y, x); bring them to one grid" in line


def test_another_spacing(folder):
    save(folder / "labelsTr" / "a.nii.gz", label(), spacing=(1.0, 2.0, 3.1))
    line = only_problem(folder)
    assert "labelsTr/a.nii.gz: has spacing (1.0, 2.0, 3.1), " in line
    assert "has (1.0, 2.0, 3.0) mm (z, y, x); correct the header" in line


def test_a_spacing_that_differs_by_rounding_passes(folder):
    save(folder / "labelsTr" / "a.nii.gz", label(), spacing=(1.0, 2.0, 3.00001))
    assert check(folder).problems == ()


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("origin", {"origin": (0.0, 5.0, 0.0)}),
        ("direction", {"direction": (-1.0, *IDENTITY[1:4], -1.0, *IDENTITY[5:])}),
    ],
)
def test_another_origin_or_direction_is_a_warning(what, change, folder):
    save(folder / "labelsTr" / "a.nii.gz", label(), **change)
    report = check(folder)
    assert report.problems == ()
    (line,) = report.warnings
    assert f"labelsTr/a.nii.gz: has {what} (" in line
    assert line.endswith("make sure in a viewer that both overlap")


def test_the_wrong_number_of_cases(folder):
    describe(folder, numTraining=4)
    assert "dataset.json: 'numTraining' is 4, but there are 3 training cases; write 3" in only_problem(folder)


@pytest.mark.parametrize("name", ["imagesTr/a.nii.gz", "imagesTr/d_0000.nii", "imagesTr/d_00.nii.gz"])
def test_an_image_of_another_name(name, folder):
    (folder / name).touch()
    assert only_problem(folder) == f"{folder / name}: does not fit CASE_0000.nii.gz; rename or remove it"


def test_a_label_of_another_name(folder):
    (folder / "labelsTr" / "a.nii").touch()
    assert only_problem(folder).endswith("labelsTr/a.nii: does not fit CASE.nii.gz; rename or remove it")


def test_a_label_of_the_same_name_in_another_unicode_form(folder):
    for number in range(2):
        (folder / "imagesTr" / f"a_000{number}.nii.gz").rename(folder / "imagesTr" / f"F\u00e4ll_000{number}.nii.gz")
    (folder / "labelsTr" / "a.nii.gz").rename(folder / "labelsTr" / "Fa\u0308ll.nii.gz")
    (told,) = (line for line in check(folder).problems if "another Unicode form" in line)
    assert told == (
        f"{folder}/labelsTr/Fa\u0308ll.nii.gz: is the label map of 'F\u00e4ll', whose name has its accents in another "
        "Unicode form (archives of macOS differ in it); rename one of them"
    )


def test_cases_with_problems_may_have_any_label(folder):
    """Nothing is said of a label that an unreadable label map may have."""
    for name in "bc":
        save(folder / "labelsTr" / f"{name}.nii.gz", label((0, 7)))
    assert check(folder).warnings == ()
    save(folder / "labelsTr" / "a.nii.gz", label((0,)))
    assert check(folder).warnings == ()


def test_an_unreadable_photo_lacks_no_channel(tmp_path):
    folder = tmp_path / "Dataset002_Photo"
    (folder / "imagesTr").mkdir(parents=True)
    (folder / "imagesTr" / "a_0000.png").write_bytes(b"")
    names = {str(number): name for number, name in enumerate(("R", "G", "B"))}
    describe(folder, channel_names=names, file_ending=".png", numTraining=1)
    save(folder / "labelsTr" / "a.png", label(shape=(1, 4, 5)))
    assert "a_0000.png" in only_problem(folder)


def test_a_label_without_an_image(folder):
    save(folder / "labelsTr" / "z.nii.gz", label())
    assert only_problem(folder).endswith("labelsTr/z.nii.gz: has no image; add imagesTr/z_0000.nii.gz or remove it")


def test_hidden_files_sidecars_and_folders_are_no_problem(folder):
    for name in (".DS_Store", "a.json"):
        (folder / "imagesTr" / name).touch()
    (folder / "imagesTr" / "old").mkdir()
    (folder / "notes").mkdir()
    assert check(folder).problems == ()


def test_an_empty_dataset_has_one_problem(tmp_path):
    describe(tmp_path)
    assert "no training cases; expected imagesTr/CASE_0000.nii.gz" in only_problem(tmp_path)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 1, 1)])
def test_an_image_without_extent(shape, folder):
    for name in ("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz"):
        save(folder / name, label((1,), shape))
    problems = check(folder).problems
    assert len(problems) == 3
    assert (
        f"a_0000.nii.gz: has shape {shape} (z, y, x); an image needs more than one voxel along two axes" in problems[0]
    )


def test_an_empty_image_is_a_warning(folder):
    save(folder / "imagesTr" / "a_0000.nii.gz", np.zeros(SHAPE, np.float32))
    (line,) = check(folder).warnings
    assert line.endswith("a_0000.nii.gz: every voxel is 0; check how it was exported")


def test_the_same_images_twice_are_a_warning(folder):
    for channel in range(2):
        save(folder / "imagesTr" / f"c_{channel:04d}.nii.gz", image(channel))
    (line,) = check(folder).warnings
    assert line.startswith("cases a, c have identical images;")


def test_a_label_that_never_occurs_is_a_warning(folder):
    describe(folder, labels={"background": 0, "a": 1, "b": 2})
    (line,) = check(folder).warnings
    assert line == "label 'b' (2) occurs in no case; a network cannot learn it. Remove it or add cases."


def test_an_empty_label_is_a_notice(folder):
    save(folder / "labelsTr" / "a.nii.gz", label((0,)))
    (line,) = check(folder).notices
    assert line.endswith("labelsTr/a.nii.gz: has background only; remove the case if that is not meant")


def test_bad_splits_are_a_problem(folder):
    (folder / "splits_final.json").write_text('[{"train": ["a"], "val": ["q"]}]')
    assert "splits_final.json: fold 0: 'val' names 'q', which is no training case" in only_problem(folder)


def test_listed_files_need_no_layout(folder):
    files = {"x": {"images": ["imagesTr/a_0000.nii.gz", "gone.nii.gz"], "label": "labelsTr/a.nii.gz"}}
    describe(folder, dataset=files, numTraining=1)
    assert only_problem(folder).endswith("gone.nii.gz: is missing; add it, or remove the other files of case 'x'")


def test_listed_files_must_give_every_channel(folder):
    describe(folder, dataset={"x": {"images": ["imagesTr/a_0000.nii.gz"], "label": "labelsTr/a.nii.gz"}}, numTraining=1)
    assert "the image has 1 channels, expected 2 (CT, noNorm); correct" in only_problem(folder)


def test_label_values_of_the_whole_range():
    assert label_values(np.array([[[5, -1, 0, 32767, 5]]], np.int16)) == (-1, 0, 5, 32767)


@pytest.mark.parametrize("name", ["Dataset083_BraTS2013Slices", "Dataset120_EMMembrane"])
def test_real_datasets_are_sound(name, shared):
    report = check(shared / "data" / name)
    assert (report.problems, report.warnings) == ((), ())


FLIPPED = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)


def test_a_label_map_with_the_axes_flipped_is_a_problem(folder):
    far = (4 * 3.0, 3 * 2.0, 0.0)  # the last voxel of the image in x and y
    save(folder / "labelsTr" / "a.nii.gz", label(), origin=far, direction=FLIPPED)
    line = only_problem(folder)
    assert "a.nii.gz: stores the same region as" in line
    assert "RAS" in line
    assert "viewer" not in line


def test_several_orientations_are_a_warning(folder):
    for channel in range(2):
        save(folder / "imagesTr" / f"c_{channel:04d}.nii.gz", image(20 + channel), direction=FLIPPED)
    save(folder / "labelsTr" / "c.nii.gz", label(), direction=FLIPPED)
    (line,) = check(folder).warnings
    assert "2 orientations: LPS x 2, RAS x 1 (such as RAS: c)" in line


def test_one_thin_case_among_volumes_is_a_problem_and_a_dataset_of_slices_is_none(folder):
    for channel in range(2):
        save(folder / "imagesTr" / f"c_{channel:04d}.nii.gz", image(20 + channel, (4, 5, 1)))
    save(folder / "labelsTr" / "c.nii.gz", label(shape=(4, 5, 1)))
    assert "case 'c' is one slice of shape (4, 5, 1) (z, y, x), others are volumes" in only_problem(folder)
    for number, name in enumerate("ab"):
        for channel in range(2):
            save(folder / "imagesTr" / f"{name}_{channel:04d}.nii.gz", image(10 * number + channel, (4, 5, 1)))
        save(folder / "labelsTr" / f"{name}.nii.gz", label(shape=(4, 5, 1)))
    assert check(folder).problems == ()


def test_an_order_of_regions_that_loses_labels_is_a_problem(folder):
    describe(folder, labels={"background": 0, "whole": [1, 2], "core": [2]}, regions_class_order=[2, 1])
    (line, *_) = check(folder).problems
    assert "dataset.json: 'regions_class_order' is [2, 1]: label 1 (in whole) is painted as 2" in line
    describe(folder, labels={"background": 0, "whole": [1, 2], "core": [2]}, regions_class_order=[1, 2])
    assert check(folder).problems == ()


def test_two_labels_of_one_value_are_a_problem(folder):
    describe(folder, labels={"background": 0, "a": 1, "b": 1})
    assert "labels 'a' and 'b' have the same value, 1" in only_problem(folder)


def test_a_value_next_to_a_whole_number_is_shown_in_full(folder):
    save(folder / "labelsTr" / "a.nii.gz", label().astype(np.float32) * np.float32(1.0000001))
    assert "a.nii.gz: holds 1.0000001" in only_problem(folder)
