"""Two files match voxel by voxel only if they store their voxels in one order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.errors import InvalidFile
from nnplug.io.images import Geometry, read_geometry, read_image, write_image
from nnplug.io.placement import check_order, displacements, orientation

OBLIQUE = (0.96, 0.0, -0.28, 0.0, 1.0, 0.0, 0.28, 0.0, 0.96)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
A, B = Path("a.nii.gz"), Path("b.nii.gz")


def geometry(direction=IDENTITY, origin=(3.0, -4.0, 5.0), shape=(4, 6, 7), spacing=(3.0, 1.5, 0.7)) -> Geometry:
    return Geometry(shape, spacing, spacing[::-1], origin, direction)


def turned(source: Geometry, code: str, folder: Path) -> tuple[Path, Path]:
    """Write an image, and the same image with other axes; return both files."""
    write_image(folder / "a.nii.gz", np.zeros(source.shape, np.float32), source)
    sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(folder / "a.nii.gz")), code), str(folder / "b.nii.gz"))
    return folder / "a.nii.gz", folder / "b.nii.gz"


@pytest.mark.parametrize("direction", [IDENTITY, OBLIQUE])
@pytest.mark.parametrize("code", ["RPS", "RAS", "LPI", "PIR", "SPR", "ASL"])
def test_the_same_anatomy_with_other_axes_is_refused(code, direction, tmp_path):
    one, two = turned(geometry(direction, shape=(6, 6, 6), spacing=(1.0, 1.0, 1.0)), code, tmp_path)
    with pytest.raises(InvalidFile, match=rf"b\.nii\.gz: stores the same region as .*a\.nii\.gz .*: {code} .* LPS"):
        read_image([one, two])
    assert orientation(read_geometry(two)) == code


def test_exchanged_axes_of_other_size_are_told_by_their_axes_not_by_their_shape(tmp_path):
    one, two = turned(geometry(), "PIR", tmp_path)
    with pytest.raises(InvalidFile, match="with other axes: PIR"):
        read_image([one, two])


def test_a_header_without_directions_is_no_other_order_but_a_displacement():
    """The voxels of label maps that lost their header are those of the image; nnU-Net trains with them."""
    image = geometry((-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0), origin=(90.0, 120.0, -70.0))
    label = geometry(origin=(0.0, 0.0, 0.0))
    check_order(A, label, B, image)
    origin, direction = displacements(A, label, B, image)
    assert "a.nii.gz: has origin (0.0, 0.0, 0.0), b.nii.gz has (90.0, 120.0, -70.0) mm" in origin
    assert "has direction" in direction


def test_a_slight_rotation_and_a_shift_are_displacements():
    moved = geometry(OBLIQUE, origin=(8.0, -4.0, 5.0), spacing=(3.0, 1.5, 0.8))
    check_order(A, moved, B, geometry())
    spacing, origin, direction = displacements(A, moved, B, geometry())
    assert "has spacing (3.0, 1.5, 0.8), b.nii.gz has (3.0, 1.5, 0.7) mm" in spacing
    assert "has origin" in origin
    assert "has direction" in direction


def test_rounded_origins_are_equal():
    assert displacements(A, geometry(origin=(3.003, -4.0, 5.0)), B, geometry()) == ()


def test_displaced_channels_are_a_remark(tmp_path):
    for name, place in (("a", geometry()), ("b", geometry(origin=(50.0, -4.0, 5.0)))):
        write_image(tmp_path / f"{name}.nii.gz", np.zeros(place.shape, np.float32), place)
    (remark,) = read_image([tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"]).geometry.remarks
    assert "b.nii.gz: has origin (50.0, -4.0, 5.0)" in remark


def test_a_picture_has_no_orientation():
    assert orientation(Geometry((1, 4, 5), (999, 1, 1), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0))) is None
