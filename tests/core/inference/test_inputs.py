"""The images of a folder: those that are taken, and those that are not are named."""

from __future__ import annotations

from nnplug.inference.inputs import find_cases, image_ending, not_taken
from nnplug.io.readers import core_readers


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


def test_images_that_belong_to_no_case_are_named(tmp_path):
    touch(tmp_path, "a_0000.nii.gz", "B_0000.NII.GZ", "c.nii.gz", "d_0000.nii", "notes.txt", ".hidden_0000.nii.gz")
    cases = find_cases([tmp_path], ".nii.gz")
    assert [case.name for case in cases] == ["B", "a"]
    touch(tmp_path, "a_0000.NII.GZ")
    (line,) = not_taken([tmp_path], cases)
    assert line == (
        f"{tmp_path}: a_0000.NII.GZ, c.nii.gz, d_0000.nii are not predicted; images are called CASE_0000.nii.gz"
    )
    touch(tmp_path, *(f"x{number}.nii" for number in range(20)))
    assert "and 13 more are not predicted" in not_taken([tmp_path], cases)[0]


def test_folders_whose_images_are_all_taken_and_single_files_need_no_line(tmp_path):
    touch(tmp_path, "a_0000.nii.gz", "a_0001.nii.gz", "notes.txt")
    assert not_taken([tmp_path], find_cases([tmp_path], ".nii.gz")) == ()
    assert not_taken([tmp_path / "a_0000.nii.gz"], find_cases([tmp_path / "a_0000.nii.gz"], ".nii.gz")) == ()


def test_a_folder_in_upper_case_is_taken(tmp_path):
    touch(tmp_path, "a_0000.NII.GZ", "b_0000.NII.GZ")
    assert [case.name for case in find_cases([tmp_path], ".nii.gz")] == ["a", "b"]
    assert [case.name for case in find_cases([tmp_path / "a_0000.NII.GZ"], ".nii.gz")] == ["a"]
    assert image_ending(tmp_path / "a_0000.NII.GZ", core_readers()) == ".NII.GZ"
