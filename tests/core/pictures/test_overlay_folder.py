from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.dataset.phantom import write_phantom
from nnplug.errors import InvalidFile, Problems
from nnplug.pictures.overlay_folder import OverlayFolders, draw_overlay_folder
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent

HOW = {"executor": LocalExecutor(2), "progress": Silent()}


@pytest.fixture
def dataset(tmp_path):
    return write_phantom(tmp_path / "Dataset900_P", cases=2, unseen=0, shape=(8, 10, 12)).folder


def picture(path):
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


def test_every_case_gets_image_and_label_maps_side_by_side(dataset, tmp_path):
    labels = dataset / "labelsTr"
    folders = OverlayFolders(dataset / "imagesTr", (labels, labels))
    assert draw_overlay_folder(folders, tmp_path / "out", channel=1, **HOW) == 2
    drawn = picture(tmp_path / "out" / "phantom_000.png")
    assert drawn.shape == (10, 36, 3)
    plain, first, second = np.split(drawn, 3, axis=1)
    assert np.array_equal(first, second)
    assert np.ptp(plain.astype(int), axis=2).max() == 0
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(labels / "phantom_000.nii.gz")))
    inside = label[np.argmax((label > 0).sum((1, 2)))] > 0
    assert np.array_equal((first != plain).any(axis=2), inside)


def test_a_file_of_several_channels_is_read(tmp_path):
    image = sitk.GetImageFromArray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3), isVector=True)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    sitk.WriteImage(image, str(tmp_path / "images" / "a.png"))
    sitk.WriteImage(sitk.GetImageFromArray(np.eye(4, 5, dtype=np.uint8)), str(tmp_path / "labels" / "a.png"))
    folders = (OverlayFolders(tmp_path / "images", (tmp_path / "labels",)), tmp_path / "out")
    assert draw_overlay_folder(*folders, channel=2, **HOW) == 1
    assert picture(tmp_path / "out" / "a.png").shape == (4, 10, 3)
    with pytest.raises(Problems, match=r"overlay of a: .*a\.png: has 3 channels, there is no channel 3"):
        draw_overlay_folder(*folders, channel=3, **HOW)


def test_missing_files_are_all_named(dataset, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(Problems) as caught:
        draw_overlay_folder(
            OverlayFolders(dataset / "imagesTr", (dataset / "labelsTr", tmp_path)), tmp_path / "o", channel=4, **HOW
        )
    assert len(caught.value.lines) == 4
    assert "is missing" in caught.value.lines[0]
    assert "has no channel 4 of case 'phantom_000'" in caught.value.lines[1]
    with pytest.raises(InvalidFile, match="no label maps; give a folder"):
        draw_overlay_folder(OverlayFolders(dataset / "imagesTr", (tmp_path / "empty",)), tmp_path / "o", **HOW)
    assert not (tmp_path / "o").exists()


def test_label_maps_of_another_grid_are_refused(dataset, tmp_path):
    other = write_phantom(tmp_path / "Dataset901_P", cases=2, unseen=0, shape=(9, 10, 12)).folder
    with pytest.raises(Problems, match=r"has shape \(9, 10, 12\), .* has \(8, 10, 12\)"):
        draw_overlay_folder(OverlayFolders(dataset / "imagesTr", (other / "labelsTr",)), tmp_path / "o", **HOW)


def test_a_label_map_with_other_axes_than_its_image_is_refused(dataset, tmp_path):
    path = dataset / "labelsTr" / "phantom_001.nii.gz"
    sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(path)), "RAS"), str(path))
    folders = OverlayFolders(dataset / "imagesTr", (dataset / "labelsTr",))
    with pytest.raises(Problems, match=r"phantom_001\.nii\.gz: stores the same region as"):
        draw_overlay_folder(folders, tmp_path / "out", **HOW)
