"""Enhanced images, whose slices are in one file."""

from __future__ import annotations

import highdicom
import numpy as np
import numpy.typing as npt

from nnplug.errors import InvalidFile
from nnplug_dicom.series import Series
from nnplug_dicom.stack import Stack


def read_enhanced(series: Series) -> tuple[npt.NDArray[np.float32], Stack]:
    """Return the voxels (slices, rows, columns) of an enhanced image in its units, and its slices.

    Raises:
        InvalidFile: the series has several files, or its slices are irregular.
    """
    if len(series.files) > 1:
        raise InvalidFile(
            f"{series.files[1].name}: is a second image of the series {series.uid}; give a folder with one of them"
        )
    (file,) = series.files
    try:
        volume = highdicom.imread(file.path).get_volume(dtype=np.float32)
    except (ValueError, RuntimeError, AttributeError, KeyError, EOFError) as error:
        raise InvalidFile(f"{file.name}: cannot be read as one volume ({error})") from error
    array = np.asarray(volume.array, np.float32)
    if array.ndim != 3:
        raise InvalidFile(f"{file.name}: has voxels of shape {array.shape}; expected one number per voxel")
    affine = volume.affine
    if np.linalg.det(affine[:3, :3]) > 0:  # slices run against the normal, rows x columns: take the other end first
        array, affine = array[::-1], affine @ _reversed(len(array))
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    origins = affine[:3, 3] + np.arange(len(array))[:, None] * affine[:3, 0]
    stack = Stack(
        files=series.files,
        shape=(array.shape[0], array.shape[1], array.shape[2]),
        origins=origins,
        along_columns=affine[:3, 2] / lengths[2],
        along_rows=affine[:3, 1] / lengths[1],
        pixel=(float(lengths[1]), float(lengths[2])),
        step=float(lengths[0]),
    )
    return array, stack


def _reversed(slices: int) -> npt.NDArray[np.float64]:
    """Return the affine matrix from indices of reversed slices to those of the volume."""
    matrix = np.diag([-1.0, 1.0, 1.0, 1.0])
    matrix[0, 3] = slices - 1
    return matrix
