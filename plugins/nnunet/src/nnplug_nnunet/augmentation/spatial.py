"""Rotation, scaling, elastic deformation and mirroring: the transforms that move image and label together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from nnplug_nnunet.augmentation.elastic import Elastic
from nnplug_nnunet.augmentation.resample import (
    cubic_image,
    displaced,
    grid_positions,
    is_separable,
    linear_image,
    linear_label,
    nearest_image,
    nearest_label,
)
from nnplug_nnunet.augmentation.sample import Range, Sample, draw_factor, happens

Interpolation = Literal["linear", "cubic", "nearest"]
LabelInterpolation = Literal["linear", "nearest"]
MARGIN = 0.85
"""The smallest scale for which nnU-Net 2.8.1 cuts a larger patch, for any range of scales."""


def source_size(patch_size: Sequence[int], rotation: float, margin: float = MARGIN) -> tuple[int, ...]:
    """Return the size of the patch to cut, so that a rotated and shrunk patch sees little of its border.

    Args:
        patch_size: size of the network's input, voxels.
        rotation: largest angle in degrees, about each axis alone; above 90 it counts as 90.
        margin: the smallest scale that the size allows for.
    """
    from batchgenerators.augmentations.utils import rotate_coords_2d, rotate_coords_3d

    size, angle = np.array(patch_size, float), math.radians(min(90.0, rotation))
    if len(patch_size) == 2:
        extents = [rotate_coords_2d(size, angle)]
    else:
        extents = [rotate_coords_3d(size, *angles) for angles in np.eye(3) * angle]
    largest = np.abs([size, *extents]).max(0)
    return tuple(int(n) for n in largest / margin)


@dataclass(frozen=True)
class SpatialParams:
    """A rotation and a scaling of the patch's grid, and a deformation of the grid before them.

    Attributes:
        angles: radians, about each axis in 3D, one in 2D; empty for no rotation.
        scales: per axis; above 1 the patch covers more of its source, so that objects shrink.
        elastic: a deformation, or None.
    """

    angles: tuple[float, ...]
    scales: tuple[float, ...]
    elastic: Elastic | None = None

    def matrix(self) -> npt.NDArray[np.float64]:
        """Return the matrix (axes, axes) that scales, then rotates about the first, second and third axis."""
        matrix = np.diag(np.array(self.scales, float))
        planes = [(0, 1)] if len(self.scales) == 2 else [(1, 2), (2, 0), (0, 1)]
        for angle, plane in zip(self.angles, planes, strict=bool(self.angles)):
            matrix = _rotation(angle, plane, len(self.scales)) @ matrix
        return matrix


def _rotation(angle: float, plane: tuple[int, int], axes: int) -> npt.NDArray[np.float64]:
    matrix, (i, j) = np.eye(axes), plane
    matrix[i, i] = matrix[j, j] = math.cos(angle)
    matrix[i, j], matrix[j, i] = -math.sin(angle), math.sin(angle)
    return matrix


@dataclass(frozen=True)
class SpatialTransform:
    """Resampling of a patch on a deformed, rotated and scaled grid around the source's centre, or a centre crop.

    Attributes:
        patch_size: size of the result, voxels.
        in_plane: whether the first of three axes is left unchanged.
        rotation: degrees, drawn up to this in both directions for each axis.
        p_rotation: probability of a rotation.
        scaling: range of scales.
        p_scaling: probability of a scaling.
        p_scale_per_axis: probability that a scaling draws each axis separately.
        interpolation: interpolation of the image.
        even_scaling: whether half of the scales are drawn below 1, instead of uniformly over the range.
        elastic: range of a deformation's smoothing, relative to the patch size.
        p_elastic: probability of a deformation.
        label_interpolation: interpolation of the label maps.
        p_rotation_axis: probability that a rotation turns each of the axes.
    """

    patch_size: tuple[int, ...]
    in_plane: bool
    rotation: float
    p_rotation: float
    scaling: Range
    p_scaling: float
    p_scale_per_axis: float
    interpolation: Interpolation
    even_scaling: bool = False
    elastic: Range = (0.0, 0.25)
    p_elastic: float = 0.0
    label_interpolation: LabelInterpolation = "linear"
    p_rotation_axis: float = 1.0

    @property
    def moving_size(self) -> tuple[int, ...]:
        """The size along the axes that are transformed."""
        return self.patch_size[1:] if self.in_plane else self.patch_size

    def draw(self, rng: np.random.Generator, channels: int) -> SpatialParams | None:  # noqa: ARG002
        """Draw angles, scales and deformation; None if none of them happens."""
        rotate, scale = happens(rng, self.p_rotation), happens(rng, self.p_scaling)
        deform = self.p_elastic > 0 and happens(rng, self.p_elastic)
        if not (rotate or scale or deform):
            return None
        angles = self._angles(rng) if rotate else ()
        scales = self._scales(rng) if scale else (1.0,) * len(self.moving_size)
        return SpatialParams(angles, scales, Elastic.draw(rng, self.elastic, self.moving_size) if deform else None)

    def _angles(self, rng: np.random.Generator) -> tuple[float, ...]:
        limit, axes = math.radians(self.rotation), 3 if len(self.moving_size) == 3 else 1
        angles = rng.uniform(-limit, limit, axes)
        if self.p_rotation_axis < 1:  # nothing more is drawn otherwise, so that earlier trainings are drawn as before
            angles *= rng.random(axes) < self.p_rotation_axis
        return tuple(angles.tolist())

    def _scales(self, rng: np.random.Generator) -> tuple[float, ...]:
        axes = len(self.moving_size)
        each = axes if happens(rng, self.p_scale_per_axis) else 1
        if self.even_scaling:
            factors = [draw_factor(rng, self.scaling) for _ in range(each)]
        else:
            factors = rng.uniform(*self.scaling, each).tolist()
        return tuple(factors) * (axes // each)

    def apply(self, sample: Sample, params: SpatialParams) -> Sample:
        """Resample image and label on the transformed grid; returns new tensors."""
        image, maps = sample.image, sample.label_maps
        if self.in_plane:  # slices become channels
            image, maps = image.flatten(0, 1), maps.flatten(0, 1)
        matrix = params.matrix()
        positions = grid_positions(matrix, self.moving_size, maps.shape[1:])
        if params.elastic:
            positions = displaced(positions, matrix, params.elastic.offsets(self.moving_size))
        separable = not params.elastic and is_separable(matrix)
        moved = self._moved_image(image, positions, separable=separable)
        labels = (nearest_label if self.label_interpolation == "nearest" else linear_label)(maps, positions)
        return Sample.of(moved.view(-1, *self.patch_size), labels.view(-1, *self.patch_size))

    def _moved_image(self, image: torch.Tensor, positions: Sequence[torch.Tensor], *, separable: bool) -> torch.Tensor:
        if self.interpolation == "cubic":
            return cubic_image(image, positions)
        if self.interpolation == "nearest":
            return nearest_image(image, positions)
        return linear_image(image, positions, separable=separable)

    def crop(self, sample: Sample) -> Sample:
        """Return a copy of the centre of the source."""
        starts = [n // 2 - size // 2 for n, size in zip(sample.label.shape, self.patch_size, strict=True)]
        box = tuple(slice(s, s + size) for s, size in zip(starts, self.patch_size, strict=True))
        return Sample.of(sample.image[:, *box].clone(), sample.label_maps[:, *box].clone())


@dataclass(frozen=True)
class Mirror:
    """Mirroring along each of some spatial axes with probability 1/2."""

    axes: tuple[int, ...]

    def draw(self, rng: np.random.Generator, channels: int) -> tuple[int, ...] | None:  # noqa: ARG002
        """Draw the axes to mirror."""
        return tuple(axis for axis in self.axes if happens(rng, 0.5)) or None

    def apply(self, sample: Sample, params: tuple[int, ...]) -> Sample:
        """Flip image and label; returns new tensors."""
        axes = [axis + 1 for axis in params]
        return Sample.of(torch.flip(sample.image, axes), torch.flip(sample.label_maps, axes))
