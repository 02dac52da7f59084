"""The component `nnunet` of kind augmenter: nnU-Net's transforms in nnU-Net's order, with all numbers as options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from nnplug.contracts import AugmentationContext, BatchAugmenter
from nnplug.errors import InvalidOptions
from nnplug_nnunet.augmentation.batch import BatchPipeline
from nnplug_nnunet.augmentation.intensity import (
    AdditiveBrightness,
    Brightness,
    Contrast,
    Gamma,
    GaussianNoise,
    MaskOutside,
)
from nnplug_nnunet.augmentation.pipeline import Pipeline
from nnplug_nnunet.augmentation.previous import ComponentRemoval, Morphology
from nnplug_nnunet.augmentation.resolution import GaussianBlur, LowResolution
from nnplug_nnunet.augmentation.sample import ChannelTransform, Range
from nnplug_nnunet.augmentation.spatial import MARGIN, Interpolation, Mirror, SpatialTransform, source_size

ANISOTROPY = 3
"""A patch whose largest axis is longer than the first by more than this factor is transformed in plane only."""
MAY_BE_ZERO = ("noise", "elastic")
"""Ranges that may include 0, where the transform has no effect."""
ELONGATION = 1.5
"""A 2D patch whose axes differ by more than this factor uses `rotation_elongated`."""


@dataclass(frozen=True, kw_only=True)
class NnunetAugmenter(BatchAugmenter):
    """nnU-Net 2.8.1's augmentation. `p_...` are probabilities per sample, the rest are ranges of uniform draws.

    Attributes:
        interpolation: interpolation of the image in rotation, scaling and upsampling from low resolution: linear as in
            nnU-Net 2.8.1, or cubic as in the paper.
        rotation: largest angle in degrees about each axis of 3D patches, in both directions.
        rotation_in_plane: degrees for 2D patches and for anisotropic 3D ones, which are rotated in plane only.
        rotation_elongated: degrees for 2D patches that are longer than 1.5 times their width.
        p_rotation: see above.
        scaling: factors on the patch's extent: above 1 objects shrink.
        p_scaling: see above.
        p_scale_per_axis: probability that a scaling draws a factor for each axis.
        even_scaling: whether half of the factors are drawn below 1, as in nnU-Net 1, instead of uniformly.
        margin: the smallest factor for which the loader cuts a larger patch; below it borders become visible.
        elastic: standard deviations of the smoothing of an elastic deformation, relative to the patch size.
        p_elastic: see above; 0 by default, as in nnU-Net.
        noise: standard deviations; intensities have a standard deviation of about 1.
        p_noise: see above.
        blur: standard deviations in voxels, for each channel and axis.
        p_blur: see above.
        p_blur_channel: probability of each channel of a blurred sample.
        brightness: factors for each channel; half of the draws below 1.
        p_brightness: see above.
        contrast: factors for each channel; half of the draws below 1.
        p_contrast: see above.
        low_resolution: zoom factors for each channel.
        p_low_resolution: see above.
        p_low_resolution_channel: probability of each channel of such a sample.
        gamma: exponents for each channel; half of the draws below 1.
        p_gamma_inverted: probability of gamma on the negative image.
        p_gamma: probability of gamma on the image, applied after the inverted one.
        additive_brightness: standard deviation of a shift.
        p_additive_brightness: see above; 0 by default, as in nnU-Net.
        p_additive_brightness_channel: probability of each channel of such a sample.
        previous_radius: radius in voxels of the ball that dilates, erodes, opens or closes a cascade's previous
            prediction.
        p_previous_morphology: see above.
        p_previous_morphology_label: probability of each label of such a sample.
        previous_component: components smaller than this share of the patch can be removed from the previous prediction.
        p_previous_removal: see above.
        p_previous_removal_label: probability of each label of such a sample.
    """

    interpolation: Interpolation = "linear"
    rotation: float = 30.0
    rotation_in_plane: float = 180.0
    rotation_elongated: float = 15.0
    p_rotation: float = 0.2
    scaling: Range = (0.7, 1.4)
    p_scaling: float = 0.2
    p_scale_per_axis: float = 0.0
    even_scaling: bool = False
    margin: float = MARGIN
    elastic: Range = (0.0, 0.25)
    p_elastic: float = 0.0
    noise: Range = (0.0, 0.1)
    p_noise: float = 0.1
    blur: Range = (0.5, 1.0)
    p_blur: float = 0.2
    p_blur_channel: float = 0.5
    brightness: Range = (0.75, 1.25)
    p_brightness: float = 0.15
    contrast: Range = (0.75, 1.25)
    p_contrast: float = 0.15
    low_resolution: Range = (0.5, 1.0)
    p_low_resolution: float = 0.25
    p_low_resolution_channel: float = 0.5
    gamma: Range = (0.7, 1.5)
    p_gamma_inverted: float = 0.1
    p_gamma: float = 0.3
    additive_brightness: float = 0.2
    p_additive_brightness: float = 0.0
    p_additive_brightness_channel: float = 1.0
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

    def bind(self, context: AugmentationContext) -> Pipeline:
        """See `nnplug.contracts.Augmenter`."""
        in_plane = is_anisotropic(context.patch_size)
        rotation = self.rotation_for(context.patch_size)
        source = source_size(context.patch_size, rotation, self.margin)
        return Pipeline(
            source_patch_size=(context.patch_size[0], *source[1:]) if in_plane else source,
            spatial=self._spatial(context.patch_size, rotation, in_plane=in_plane),
            intensity=self._intensity(len(context.patch_size), in_plane=in_plane),
            mirror=Mirror(context.mirror_axes),
            mask=MaskOutside(context.masked_channels),
            previous=self._previous(context.previous_labels),
            previous_labels=context.previous_labels,
        )

    def bind_batches(self, context: AugmentationContext) -> BatchPipeline:
        """Return the pipeline for batches; see `nnplug.contracts.BatchAugmenter`."""
        return BatchPipeline(self.bind(context))

    def rotation_for(self, patch_size: Sequence[int]) -> float:
        """Return the largest angle in degrees for patches of this size."""
        if len(patch_size) == 3 and not is_anisotropic(patch_size):
            return self.rotation
        elongated = len(patch_size) == 2 and max(patch_size) / min(patch_size) > ELONGATION
        return self.rotation_elongated if elongated else self.rotation_in_plane

    def _spatial(self, patch_size: tuple[int, ...], rotation: float, *, in_plane: bool) -> SpatialTransform:
        return SpatialTransform(
            patch_size=patch_size,
            in_plane=in_plane,
            rotation=rotation,
            p_rotation=self.p_rotation,
            scaling=self.scaling,
            p_scaling=self.p_scaling,
            p_scale_per_axis=self.p_scale_per_axis,
            interpolation=self.interpolation,
            even_scaling=self.even_scaling,
            elastic=self.elastic,
            p_elastic=self.p_elastic,
        )

    def _intensity(self, axes: int, *, in_plane: bool) -> tuple[ChannelTransform[Any], ...]:
        cubic = self.interpolation == "cubic"
        return (
            GaussianNoise(self.p_noise, self.noise),
            GaussianBlur(self.p_blur, self.p_blur_channel, self.blur, axes),
            Brightness(self.p_brightness, self.brightness),
            Contrast(self.p_contrast, self.contrast),
            LowResolution(
                self.p_low_resolution, self.p_low_resolution_channel, self.low_resolution, int(in_plane), cubic
            ),
            Gamma(self.p_gamma_inverted, self.gamma, inverted=True),
            AdditiveBrightness(
                self.p_additive_brightness, self.p_additive_brightness_channel, self.additive_brightness
            ),
            Gamma(self.p_gamma, self.gamma, inverted=False),
        )

    def _previous(self, labels: tuple[int, ...]) -> tuple[Morphology, ComponentRemoval]:
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
