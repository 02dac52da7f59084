"""The component `nnunet` of kind augmenter: nnU-Net's transforms in nnU-Net's order, with all numbers as options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nnplug.contracts import AugmentationContext, BatchAugmenter
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
from nnplug_nnunet.augmentation.placement import Placement
from nnplug_nnunet.augmentation.resolution import GaussianBlur, LowResolution
from nnplug_nnunet.augmentation.sample import ChannelTransform, Range
from nnplug_nnunet.augmentation.spatial import Mirror


@dataclass(frozen=True, kw_only=True)
class NnunetAugmenter(Placement, BatchAugmenter):
    """nnU-Net 2.8.1's augmentation. `p_...` are probabilities per sample, the rest are ranges of uniform draws.

    `Placement` explains the options of rotation, scaling and a cascade's previous stage.

    Attributes:
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
    """

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

    def bind(self, context: AugmentationContext) -> Pipeline:
        """See `nnplug.contracts.Augmenter`."""
        return Pipeline(
            source_patch_size=self.source_size(context.patch_size),
            spatial=self.spatial(context.patch_size),
            intensity=self._intensity(context.patch_size),
            mirror=Mirror(context.mirror_axes),
            mask=MaskOutside(context.masked_channels),
            previous=self.previous(context),
            previous_labels=context.previous_labels,
        )

    def bind_batches(self, context: AugmentationContext) -> BatchPipeline:
        """Return the pipeline for batches; see `nnplug.contracts.BatchAugmenter`."""
        return BatchPipeline(self.bind(context))

    def _intensity(self, patch_size: tuple[int, ...]) -> tuple[ChannelTransform[Any], ...]:
        spared, cubic = int(self.is_in_plane(patch_size)), self.interpolation == "cubic"
        return (
            GaussianNoise(self.p_noise, self.noise),
            GaussianBlur(self.p_blur, self.p_blur_channel, self.blur, len(patch_size)),
            Brightness(self.p_brightness, self.brightness),
            Contrast(self.p_contrast, self.contrast),
            LowResolution(self.p_low_resolution, self.p_low_resolution_channel, self.low_resolution, spared, cubic),
            Gamma(self.p_gamma_inverted, self.gamma, inverted=True),
            AdditiveBrightness(
                self.p_additive_brightness, self.p_additive_brightness_channel, self.additive_brightness
            ),
            Gamma(self.p_gamma, self.gamma, inverted=False),
        )
