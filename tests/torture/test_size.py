"""The short form of the campaign, and what its judge sees."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from tests.torture.size import BUDGET, cases, grown, images, table, volume, write_nifti

STEPS = ["verify", "fingerprint", "plan", "preprocess", "first epoch", "preprocess again", "run again"]


def line(part, count, **changed):
    return {"part": part, "count": count, "step": "verify", "cpu": 1.0, "seconds": 1, "memory": 100, **changed}


@pytest.mark.slow
def test_every_step_of_a_few_cases_is_seen(tmp_path):
    seen = list(cases(tmp_path, 7))
    assert [one["step"] for one in seen] == STEPS
    assert all(one["cpu"] > 0 and one["memory"] > 50e6 for one in seen)
    assert len(table(seen)[1]) == len(STEPS)


@pytest.mark.slow
def test_a_volume_is_predicted(tmp_path):
    assert [one["memory"] < BUDGET for one in volume(tmp_path, 24)] == [True, True]


@pytest.mark.slow
def test_images_are_predicted(tmp_path):
    assert [one["files"] > 2 for one in images(tmp_path, 40)] == [True] * 3


@pytest.mark.parametrize(
    ("past", "told"),
    [
        ([line("cases", 1000), line("cases", 10_000, cpu=10.0)], []),
        ([line("cases", 1000), line("cases", 10_000, cpu=20.0)], ["verify takes longer per case"]),
        ([line("volume", 1024, memory=9e9)], ["1024^3 voxels took 9.0 GB"]),
        ([line("images", 100, files=5), line("images", 1900, files=9)], ["files stay open"]),
        (
            [line("images", 9, files=5), line("images", 99, files=5, memory=200)],
            ["predictions take more and more memory"],
        ),
    ],
)
def test_the_judge_sees_what_grows(past, told):
    assert grown(past) == told


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_written_files_are_nifti(name, tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    write_nifti(tmp_path / name, array, 0.5)
    image = sitk.ReadImage(str(tmp_path / name))
    assert np.array_equal(sitk.GetArrayFromImage(image), array)
    assert image.GetSpacing() == (0.5, 0.5, 0.5)
