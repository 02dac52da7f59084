"""The component `nnunet-da5` of kind augmenter: the transforms of nnU-Net's trainer nnUNetTrainerDA5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnplug.contracts import AugmentationContext
from nnplug_nnunet.augmentation.intensity import AdditiveBrightness, Gamma, GaussianNoise, MaskOutside
from nnplug_nnunet.augmentation.local import BlankBoxes, BrightnessGradient, LocalGamma
from nnplug_nnunet.augmentation.pipeline import Pipeline
from nnplug_nnunet.augmentation.placement import Placement
from nnplug_nnunet.augmentation.resolution import LowResolution
from nnplug_nnunet.augmentation.sample import ChannelTransform, Range
from nnplug_nnunet.augmentation.some_channels import EvenBlur, MedianFilter, OneOf, Sharpening, SomeContrast
from nnplug_nnunet.augmentation.spatial import Mirror
from nnplug_nnunet.augmentation.turns import Turns

_CENTRES = (-0.5, 1.5)


@dataclass(frozen=True, kw_only=True)
class Da5Augmenter(Placement):
    """nnU-Net 2.8.1's DA5: more transforms, and stronger ones, for data sets that differ from each other.

    `Placement` explains the options of rotation, scaling and a cascade's previous stage. Every other transform but
    noise and gamma changes each channel of its samples with `p_channel`. Mirroring comes last, where nnU-Net has it
    before the local transforms and sharpening; they do the same at every place, so that samples are distributed alike.

    Attributes:
        p_channel: probability of each channel of a sample.
        p_turn: probability of quarter turns in a plane of axes of one size.
        p_exchange: probability of an exchange of axes of one size.
        median: smallest and largest width of a median filter, voxels.
        blur: standard deviations in voxels, one for all axes.
        p_filter: probability of the filter, of which each sample can have one: median or blur.
        noise: standard deviations.
        p_noise: probability of noise.
        additive_brightness: standard deviation of a shift.
        p_additive_brightness: probability of a shift.
        contrast: factors; half of the draws below 1, half of the samples keep their range.
        p_contrast: probability of contrast.
        low_resolution: zoom factors.
        p_low_resolution: probability of a low resolution.
        gamma: exponents on the negative image for each channel; half of the draws below 1.
        p_gamma: probability of gamma, which a sample can have twice.
        p_boxes: probability of one to four blank boxes.
        p_gradient: probability of a summand around a place.
        p_local_gamma: probability of gamma around a place.
        sharpening: factors on the differences of neighbours.
        p_sharpening: probability of sharpening.
    """

    p_rotation: float = 0.4
    p_rotation_axis: float = 0.5
    scaling: Range = (0.7, 1.43)
    p_scale_per_axis: float = 1.0
    margin: float = 0.7
    p_previous_morphology_label: float = 1.0
    p_previous_removal_label: float = 1.0
    p_channel: float = 0.5
    p_turn: float = 0.5
    p_exchange: float = 0.5
    median: tuple[int, int] = (2, 7)
    blur: Range = (0.3, 1.5)
    p_filter: float = 0.2
    noise: Range = (0.0, 0.1)
    p_noise: float = 0.1
    additive_brightness: float = 0.5
    p_additive_brightness: float = 0.1
    contrast: Range = (0.5, 2.0)
    p_contrast: float = 0.2
    low_resolution: Range = (0.25, 1.0)
    p_low_resolution: float = 0.15
    gamma: Range = (0.7, 1.5)
    p_gamma: float = 0.1
    p_boxes: float = 0.4
    p_gradient: float = 0.3
    p_local_gamma: float = 0.3
    sharpening: Range = (0.1, 1.0)
    p_sharpening: float = 0.2

    def bind(self, context: AugmentationContext) -> Pipeline:
        """See `nnplug.contracts.Augmenter`."""
        size = context.patch_size
        return Pipeline(
            source_patch_size=self.source_size(size),
            spatial=self.spatial(size),
            turns=(Turns(size, self.p_turn, self.p_exchange),),
            intensity=(
                *self._pointwise(size),
                *self._local(size),
                Sharpening(self.p_sharpening, self.p_channel, self.sharpening),
            ),
            mirror=Mirror(context.mirror_axes),
            mask=MaskOutside(context.masked_channels),
            previous=self.previous(context),
            previous_labels=context.previous_labels,
        )

    def _pointwise(self, size: tuple[int, ...]) -> tuple[ChannelTransform[Any], ...]:
        some, spared = self.p_channel, int(self.is_in_plane(size))
        median = MedianFilter(self.p_filter, some, self.median)
        contrasts = [SomeContrast(self.p_contrast, some, self.contrast, clipped) for clipped in (True, False)]
        return (
            OneOf((median, EvenBlur(self.p_filter, some, self.blur, len(size)))),
            GaussianNoise(self.p_noise, self.noise),
            AdditiveBrightness(self.p_additive_brightness, some, self.additive_brightness),
            OneOf(tuple(contrasts)),
            LowResolution(self.p_low_resolution, some, self.low_resolution, spared, self.interpolation == "cubic"),
            Gamma(self.p_gamma, self.gamma, inverted=True),
            Gamma(self.p_gamma, self.gamma, inverted=True),
        )

    def _local(self, size: tuple[int, ...]) -> tuple[ChannelTransform[Any], ...]:
        some = self.p_channel
        return (
            BlankBoxes(self.p_boxes, some, size, (1, 4), (1 / 10, 1 / 3)),
            BrightnessGradient(self.p_gradient, some, size, _CENTRES, (-5.0, -1.0), (1.0, 5.0)),
            LocalGamma(self.p_local_gamma, some, size, _CENTRES, (0.01, 0.8), (1.5, 4.0)),
        )
