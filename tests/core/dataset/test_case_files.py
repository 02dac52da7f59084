from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from nnplug.dataset.case_files import group_channels, image_cases


def test_images_to_predict_need_no_labels(tmp_path):
    (tmp_path / "imagesTs").mkdir()
    (tmp_path / "imagesTs" / "new_0000.nii.gz").touch()
    (case,) = image_cases(tmp_path / "imagesTs", ".nii.gz")
    assert (case.name, case.label) == ("new", None)
    assert image_cases(tmp_path / "nowhere", ".nii.gz") == ()


@given(st.dictionaries(st.from_regex(r"[a-z]([a-z_0-9.]{0,6}[a-z0-9])?", fullmatch=True), st.integers(1, 4)))
def test_grouping_finds_every_case_whatever_its_name(cases):
    files = [Path(f"{name}_{channel:04d}.png") for name, count in cases.items() for channel in range(count)]
    found = group_channels(reversed(files), ".png")
    assert {case.name: len(case.images) for case in found} == cases
