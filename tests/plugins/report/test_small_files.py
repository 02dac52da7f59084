"""The NIfTI and PNG files in a page are read by other programs as they were meant."""

from __future__ import annotations

import numpy as np
import SimpleITK

from nnplug_report.nifti import Scale, nifti_bytes
from nnplug_report.png import png_bytes


def test_itk_reads_the_nifti_with_values_and_place(tmp_path):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    affine = np.array([[-2.0, 0, 0, 5], [0, -3, 0, 6], [0, 0, 4, 7], [0, 0, 0, 1]])
    data = nifti_bytes(array, affine, scale=Scale(0.5, -10))
    assert data == nifti_bytes(array, affine, scale=Scale(0.5, -10))
    (tmp_path / "a.nii.gz").write_bytes(data)
    image = SimpleITK.ReadImage(str(tmp_path / "a.nii.gz"))
    np.testing.assert_allclose(SimpleITK.GetArrayFromImage(image), array * 0.5 - 10)
    assert image.GetSpacing() == (2, 3, 4)
    assert image.GetOrigin() == (-5, -6, 7)  # ITK counts to the left and to the back
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)


def test_itk_reads_the_png(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(png_bytes(picture))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "a.png"))), picture)
