"""Linear operations along one axis at a time, with a matrix per axis.

Blur, down- and upsampling, and scaling are such operations. A product with a small matrix includes the border rule, is
fast in any library, and needs one implementation for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from nnplug_nnunet.augmentation.sample import on_device

Matrix = npt.NDArray[np.float64]
_FEW_TAPS = 2


def apply_matrices(image: torch.Tensor, matrices: Sequence[Matrix | None]) -> torch.Tensor:
    """Multiply each spatial axis of an image with its matrix.

    Args:
        image: (..., *size), float32.
        matrices: (new size, size) per spatial axis; None leaves the axis unchanged.

    Returns:
        (..., *new size).
    """
    for axis, matrix in enumerate(matrices, start=-len(matrices)):
        if matrix is not None:
            image = _multiply(image, matrix, axis)
    return image


def apply_to_each(volumes: torch.Tensor, matrices: Sequence[Sequence[Matrix]]) -> torch.Tensor:
    """Multiply the last spatial axes of each volume with its own matrices, which keep the sizes.

    Args:
        volumes: (N, *size), float32.
        matrices: per volume, one matrix (size, size) for each of the last axes.

    Returns:
        (N, *size).
    """
    if len(volumes) == 1:
        return apply_matrices(volumes, matrices[0])
    for axis, of_axis in enumerate(zip(*matrices, strict=True), start=-len(matrices[0])):
        weights = on_device(np.stack(of_axis).astype(np.float32), volumes.device)
        lines = volumes.movedim(axis, 1)
        volumes = torch.matmul(weights, lines.flatten(2)).view(lines.shape).movedim(1, axis)
    return volumes


def _multiply(image: torch.Tensor, matrix: Matrix, axis: int) -> torch.Tensor:
    taps = int((matrix != 0).sum(1).max())
    if axis < -1 and taps <= _FEW_TAPS:
        return _add_rows(image, matrix, axis, taps)
    weights = on_device(matrix.astype(np.float32), image.device)
    if axis == -1:
        return image @ weights.T
    product = torch.matmul(weights, image.flatten(axis + 1))
    return product.view(*product.shape[:-1], *image.shape[axis + 1 :])


def _add_rows(image: torch.Tensor, matrix: Matrix, axis: int, taps: int) -> torch.Tensor:
    """Return the same product; each new row is a sum of few old rows."""
    columns = np.argsort(matrix == 0, axis=1, kind="stable")[:, :taps]  # nonzero columns come first
    weights = on_device(np.take_along_axis(matrix, columns, 1).astype(np.float32), image.device)
    beyond = (1,) * (-axis - 1)
    size = list(image.shape)
    size[axis] = len(matrix)
    result = image.new_zeros(size)
    for column, weight in zip(on_device(columns, image.device).T, weights.T, strict=True):
        result.addcmul_(image.index_select(axis, column), weight.reshape(-1, *beyond))
    return result


def linear(positions: npt.NDArray[np.float64], size: int) -> Matrix:
    """Return the matrix (positions, size) of linear interpolation at positions in voxels; zeros outside."""
    padded = positions.clip(-1, size) + 1
    lower = np.floor(padded).astype(int).clip(max=size)
    rows = np.arange(len(positions))
    matrix = np.zeros((len(positions), size + 2))  # with a voxel of zeros on each side
    matrix[rows, lower] = lower + 1 - padded
    matrix[rows, lower + 1] = padded - lower
    return matrix[:, 1:-1]


def blur(size: int, sigma: float) -> Matrix:
    """Return the matrix of a Gaussian blur, sigma in voxels, truncated at about 3 sigma.

    Values outside are mirrored at the border voxel.
    """
    radius = _blur_radius(sigma)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    matrix = np.zeros((size, size))
    voxels = np.pad(np.arange(size), radius, mode="reflect")
    for offset, weight in zip(offsets, weights / weights.sum(), strict=True):
        np.add.at(matrix, (np.arange(size), voxels[radius + offset : radius + offset + size]), weight)
    return matrix


def _blur_radius(sigma: float) -> int:
    """Return half the odd kernel size nearest to 6 sigma + 0.5.

    Of two equally near sizes it is the larger, unless rounding has passed both.
    """
    wanted = 6 * sigma + 0.5
    rounded = round(wanted)
    if rounded % 2 == 0:
        rounded += 1 if wanted >= rounded else -1
    return rounded // 2


def low_resolution(size: int, new_size: int, *, cubic: bool) -> Matrix:
    """Return the matrix of nearest downsampling to `new_size` voxels and linear or cubic upsampling."""
    nearest = np.floor((np.arange(new_size) + 0.5) * (size / new_size)).astype(int).clip(max=size - 1)
    matrix = np.zeros((size, size))
    np.add.at(matrix.T, nearest, (_cubic_up if cubic else _linear_up)(new_size, size).T)
    return matrix


@lru_cache(maxsize=16)
def spline_coefficients(size: int) -> Matrix:
    """Return the matrix (size, size) from values to the coefficients of a cubic spline through them.

    Values outside are mirrored at the border voxel, as in `scipy.ndimage.spline_filter`.
    """
    spline = np.diag(np.full(size, 4.0)) + np.diag(np.ones(size - 1), 1) + np.diag(np.ones(size - 1), -1)
    if size > 1:
        spline[0, 1] = spline[-1, -2] = 2.0
    inverse: Matrix = np.linalg.inv(spline / 6).astype(np.float64)
    return inverse if size > 1 else np.eye(1)


def _linear_up(size: int, new_size: int) -> Matrix:
    positions = (np.arange(new_size) + 0.5) * size / new_size - 0.5
    return linear(positions.clip(0, size - 1), size)


def _cubic_up(size: int, new_size: int) -> Matrix:
    from scipy.ndimage import zoom

    if size == new_size:
        return np.eye(size)
    matrix: Matrix = zoom(np.eye(size), (new_size / size, 1), order=3, mode="nearest", grid_mode=True)
    return matrix
