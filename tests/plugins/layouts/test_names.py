from __future__ import annotations

from pathlib import Path

import pytest

from nnplug_layouts.names import NamedFiles, case_names

ROOT = Path("/data")


def files(*images, label=None):
    return NamedFiles(tuple(ROOT / image for image in images), None if label is None else ROOT / label)


@pytest.mark.parametrize(
    ("cases", "names"),
    [
        ([files("i/a.nii.gz"), files("i/b.nii.gz")], ["a", "b"]),
        ([files("i/a_0000.nii.gz", "i/a_0001.nii.gz"), files("i/b_0000.nii.gz", "i/b_0001.nii.gz")], ["a", "b"]),
        (
            [files("BraTS_01_t1.nii", "BraTS_01_t2.nii"), files("BraTS_02_t1.nii", "BraTS_02_t2.nii")],
            ["BraTS_01", "BraTS_02"],
        ),
        ([files("a/t1.nii", label="l/x.nii"), files("b/t1.nii", label="l/y.nii")], ["x", "y"]),
        ([files("s/a/t1.nii", label="s/a/seg.nii"), files("s/b/t1.nii", label="s/b/seg.nii")], ["s_a", "s_b"]),
        ([files("a/t1.nii"), files("a/x/t1.nii"), files("a/t2.nii", "a/t1.nii")], ["a_t1", "a_x_t1", "a_t2"]),
        ([files("pat (1).nii"), files("pat (2).nii")], ["pat__1", "pat__2"]),
    ],
)
def test_each_case_gets_a_name_of_its_own(cases, names):
    assert case_names(cases, ROOT) == names
