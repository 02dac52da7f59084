from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.errors import InvalidFile
from nnplug.pictures.colours import label_colour
from nnplug.pictures.overlay import OverlayCase, draw_overlays

SHAPE = (4, 6, 5)


@pytest.fixture
def case(tmp_path):
    """An image with a reference in its left half and a prediction in its right half, both in slice 2 alone."""
    image = np.linspace(0, 100, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    reference, prediction = np.zeros((2, *SHAPE), np.uint8)
    reference[2, :, :2], prediction[2, :, 3:] = 1, 2
    paths = {name: tmp_path / f"{name}.nii.gz" for name in ("image", "reference", "prediction")}
    for path, array in zip(paths.values(), (image, reference, prediction), strict=True):
        sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return OverlayCase("a", (paths["image"],), paths["reference"], paths["prediction"])


def read(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., :3].astype(int)


def near(picture, label):
    """Return where a picture has the hue of a label: its colour over some gray."""
    colour = np.array(label_colour(label))
    return (
        np.abs((picture - picture.min(axis=2, keepdims=True)) - 0.45 * (colour - colour.min())).max(axis=2) < 30
    ) & (np.ptp(picture, axis=2) > 40)


def test_reference_and_prediction_are_drawn_where_they_are(case, tmp_path):
    draw_overlays([case, case], tmp_path / "overlay.png")
    picture = read(tmp_path / "overlay.png")
    height, width = picture.shape[:2]
    assert (height, width) == (576, 810), "3.2 inches a row and 3 a column, at 90 dots per inch"
    channel, reference, prediction = (picture[: height // 2, width * k // 3 : width * (k + 1) // 3] for k in range(3))
    assert np.ptp(channel, axis=2).max() == 0, "the image is gray"
    assert np.ptp(channel) > 200
    _, columns = np.nonzero(near(reference, 1))
    assert columns.size > 2000
    assert columns.max() < width / 6, "label 1 is in the left half"
    _, columns = np.nonzero(near(prediction, 2))
    assert columns.size > 2000
    assert columns.min() > width / 6, "label 2 is in the right half"
    assert not near(reference, 2).any()
    assert not near(prediction, 1).any()


def test_the_legend_has_the_colour_of_each_class(case, tmp_path):
    draw_overlays([case], tmp_path / "overlay.png", class_names=("one", "two"))
    below = read(tmp_path / "overlay.png")[-30:]
    for label in (1, 2):
        assert (np.abs(below - label_colour(label)).max(axis=2) <= 2).sum() > 30


@pytest.mark.parametrize(
    ("change", "words"), [("RAS", "stores the same region as"), ("crop", r"has shape \(3, 6, 5\)")]
)
def test_a_prediction_that_does_not_match_voxel_by_voxel_is_refused(case, change, words, tmp_path):
    image = sitk.ReadImage(str(case.prediction))
    sitk.WriteImage(image[:, :, :3] if change == "crop" else sitk.DICOMOrient(image, change), str(case.prediction))
    with pytest.raises(InvalidFile, match=rf"prediction\.nii\.gz: {words}"):
        draw_overlays([case], tmp_path / "overlay.png")
    assert not (tmp_path / "overlay.png").exists()
