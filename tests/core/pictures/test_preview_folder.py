"""Pictures of a folder: one per case, drawn again only if image, label map or classes are others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from nnplug.dataset.description import DatasetDescription
from nnplug.errors import Problems
from nnplug.io.images import read_geometry, write_label
from nnplug.pictures.colours import label_colour
from nnplug.pictures.preview_folder import preview_file, write_previews
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent

DESCRIPTION = DatasetDescription.from_data(
    {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "liver": 1, "spleen": 2},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    },
    "test",
)


@pytest.fixture
def case(write_image, tmp_path):
    files = write_image("a", np.random.default_rng(0).normal(size=(4, 9, 8)).astype(np.float32))
    label = tmp_path / "out" / "a.nii.gz"
    write_label(label, np.ones((4, 9, 8), np.uint8), read_geometry(files.images[0]))
    return replace(files, label=label)


def draw(case, description=DESCRIPTION):
    write_previews([case], case.label.parent, description, executor=LocalExecutor(1), progress=Silent())
    return preview_file(case.label.parent, case)


def test_a_picture_is_drawn_again_only_if_it_would_differ(case):
    path = draw(case)
    assert path == case.label.parent / "previews" / "a.png"
    written = path.stat().st_mtime_ns
    assert draw(case).stat().st_mtime_ns == written
    write_label(case.label, np.full((4, 9, 8), 2, np.uint8), read_geometry(case.images[0]))
    assert draw(case).stat().st_mtime_ns > written
    assert (np.asarray(Image.open(path)) == label_colour(2)).all(axis=-1).any()
    written = path.stat().st_mtime_ns
    kept = replace(DESCRIPTION, labels=DESCRIPTION.labels.only(["spleen"]))
    assert draw(case, kept).stat().st_mtime_ns > written


@pytest.mark.parametrize("harm", [lambda data: data[:500], lambda data: b"no picture", lambda data: b""])
def test_a_damaged_picture_is_drawn_again(case, harm):
    path = draw(case)
    whole = path.read_bytes()
    path.write_bytes(harm(whole))
    assert draw(case).read_bytes() == whole


def test_a_case_that_cannot_be_drawn_is_named(case):
    place = replace(read_geometry(case.images[0]), shape=(1, 9, 8))
    write_label(case.label, np.ones((1, 9, 8), np.uint8), place)
    with pytest.raises(Problems, match=r"^preview of a: .*a.nii.gz: has shape \(1, 9, 8\), .* has \(4, 9, 8\)"):
        draw(case)
