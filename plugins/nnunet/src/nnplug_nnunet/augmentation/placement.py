"""Options of every augmenter of nnU-Net: how image and label are placed, and the errors of a previous stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

from nnplug.contracts import AugmentationContext
from nnplug.errors import InvalidOptions
from nnplug_nnunet.augmentation.previous import ComponentRemoval, Morphology
from nnplug_nnunet.augmentation.sample import Range
from nnplug_nnunet.augmentation.spatial import (
    MARGIN,
    Interpolation,
    LabelInterpolation,
    SpatialTransform,
    source_size,
)

ANISOTROPY = 3
"""A patch whose largest axis is longer than the first by more than this factor is transformed in plane only."""
MAY_BE_ZERO = ("noise", "elastic")
"""Ranges that may include 0, where the transform has no effect."""
ELONGATION = 1.5
"""A 2D patch whose axes differ by more than this factor uses `rotation_elongated`."""
InPlane = Literal["anisotropic", "never"]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Rotation, scaling and deformation, and errors of a cascade's previous stage; `p_...` are probabilities.

    Attributes:
        interpolation: interpolation of the image in rotation, scaling and upsampling from low resolution: linear as in
            nnU-Net 2.8.1, cubic as in the paper, or nearest (low resolution is then upsampled linearly).
        label_interpolation: interpolation of the label map: the label of the largest linear weight, or of the nearest
            voxel.
        in_plane: whether 3D patches that are thin along the first axis are transformed in plane only.
        rotation: largest angle in degrees about each axis of 3D patches, in both directions.
        rotation_in_plane: degrees for 2D patches and for anisotropic 3D ones, which are rotated in plane only.
        rotation_elongated: degrees for 2D patches that are longer than 1.5 times their width.
        p_rotation: see above.
        p_rotation_axis: probability that a rotation turns each of the axes.
        scaling: factors on the patch's extent: above 1 objects shrink.
        p_scaling: see above.
        p_scale_per_axis: probability that a scaling draws a factor for each axis.
        even_scaling: whether half of the factors are drawn below 1, as in nnU-Net 1, instead of uniformly.
        margin: the smallest factor for which the loader cuts a larger patch; below it borders become visible.
        elastic: standard deviations of the smoothing of an elastic deformation, relative to the patch size.
        p_elastic: see above; 0 by default, as in nnU-Net.
        previous_radius: radius in voxels of the ball that dilates, erodes, opens or closes a cascade's previous
            prediction.
        p_previous_morphology: see above.
        p_previous_morphology_label: probability of each label of such a sample.
        previous_component: components smaller than this share of the patch can be removed from the previous prediction.
        p_previous_removal: see above.
        p_previous_removal_label: probability of each label of such a sample.
    """

    interpolation: Interpolation = "linear"
    label_interpolation: LabelInterpolation = "linear"
    in_plane: InPlane = "anisotropic"
    rotation: float = 30.0
    rotation_in_plane: float = 180.0
    rotation_elongated: float = 15.0
    p_rotation: float = 0.2
    p_rotation_axis: float = 1.0
    scaling: Range = (0.7, 1.4)
    p_scaling: float = 0.2
    p_scale_per_axis: float = 0.0
    even_scaling: bool = False
    margin: float = MARGIN
    elastic: Range = (0.0, 0.25)
    p_elastic: float = 0.0
    previous_radius: Range = (1.0, 8.0)
    p_previous_morphology: float = 0.4
    p_previous_morphology_label: float = 0.5
    previous_component: float = 0.15
    p_previous_removal: float = 0.2
    p_previous_removal_label: float = 0.5

    def __post_init__(self) -> None:
        """Raise `InvalidOptions` if a probability, a range or the margin is out of range."""
        if not 0 < self.margin <= 1:
            raise InvalidOptions(f"augmenter option margin is {self.margin}; it must be above 0 and at most 1")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith("p_") and not 0 <= value <= 1:
                raise InvalidOptions(f"augmenter option {field.name} is {value}; it must be from 0 to 1")
            if isinstance(value, tuple):
                _check_range(field.name, value)

    def rotation_for(self, patch_size: Sequence[int]) -> float:
        """Return the largest angle in degrees for patches of this size."""
        if len(patch_size) == 3 and not self.is_in_plane(patch_size):
            return self.rotation
        elongated = len(patch_size) == 2 and max(patch_size) / min(patch_size) > ELONGATION
        return self.rotation_elongated if elongated else self.rotation_in_plane

    def is_in_plane(self, patch_size: Sequence[int]) -> bool:
        """Return whether patches of this size are transformed in plane only."""
        return self.in_plane == "anisotropic" and is_anisotropic(patch_size)

    def source_size(self, patch_size: tuple[int, ...]) -> tuple[int, ...]:
        """Return the size of the patches that the loader cuts, voxels."""
        source = source_size(patch_size, self.rotation_for(patch_size), self.margin)
        return (patch_size[0], *source[1:]) if self.is_in_plane(patch_size) else source

    def spatial(self, patch_size: tuple[int, ...]) -> SpatialTransform:
        """Return the transform that places patches of this size."""
        return SpatialTransform(
            patch_size=patch_size,
            in_plane=self.is_in_plane(patch_size),
            rotation=self.rotation_for(patch_size),
            p_rotation=self.p_rotation,
            scaling=self.scaling,
            p_scaling=self.p_scaling,
            p_scale_per_axis=self.p_scale_per_axis,
            interpolation=self.interpolation,
            even_scaling=self.even_scaling,
            elastic=self.elastic,
            p_elastic=self.p_elastic,
            label_interpolation=self.label_interpolation,
            p_rotation_axis=self.p_rotation_axis,
        )

    def previous(self, context: AugmentationContext) -> tuple[Morphology, ComponentRemoval]:
        """Return the errors that are put into the previous stage's label map."""
        labels = context.previous_labels
        return (
            Morphology(self.p_previous_morphology, self.p_previous_morphology_label, self.previous_radius, labels),
            ComponentRemoval(self.p_previous_removal, self.p_previous_removal_label, self.previous_component, labels),
        )


def _check_range(name: str, limits: Range) -> None:
    low, high = limits
    if not (low > 0 or (low == 0 and name in MAY_BE_ZERO)) or low > high:
        raise InvalidOptions(f"augmenter option {name} is {list(limits)}; it must be two numbers above 0, rising")


def is_anisotropic(patch_size: Sequence[int]) -> bool:
    """Return whether a 3D patch is so thin along its first axis that it is transformed in plane only."""
    return len(patch_size) == 3 and max(patch_size) / patch_size[0] > ANISOTROPY
