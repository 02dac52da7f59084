"""`brats` and `brats-aggressive`: the augmentations DA and DA* of the BraTS 2020 entry (arXiv 2011.00848).

The values are those of its public code. The paper agrees with them except for the probability of a deformation, which
is 0.3 in the paper for both DA and DA*. Both use nnU-Net's transforms in nnU-Net's order, computed by nnplug-nnunet, so
every number is an option here too. Images are interpolated by cubic splines (batchgenerators), as in that code; `--set
augmenter.interpolation=linear` takes a fraction of the time.
"""

from __future__ import annotations

from dataclasses import dataclass

from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.augmentation.sample import Range
from nnplug_nnunet.augmentation.spatial import Interpolation


@dataclass(frozen=True, kw_only=True)
class BratsAugmenter(NnunetAugmenter):
    """The augmentation DA: nnU-Net's transforms, stronger and more frequent; `NnunetAugmenter` explains the options."""

    interpolation: Interpolation = "cubic"
    rotation: float = 30.0
    p_rotation: float = 0.3
    scaling: Range = (0.65, 1.6)
    p_scaling: float = 0.3
    p_scale_per_axis: float = 0.3
    even_scaling: bool = True
    margin: float = 0.7  # that code's loader uses the smallest scale of nnU-Net 1's default
    elastic: Range = (0.0, 0.25)
    p_elastic: float = 0.3
    p_noise: float = 0.15
    blur: Range = (0.5, 1.5)
    brightness: Range = (0.7, 1.3)
    contrast: Range = (0.65, 1.5)
    gamma: Range = (0.5, 1.6)
    p_gamma_inverted: float = 0.15
    additive_brightness: float = 0.2
    p_additive_brightness: float = 0.3
    p_additive_brightness_channel: float = 1.0


@dataclass(frozen=True, kw_only=True)
class AggressiveAugmenter(BratsAugmenter):
    """The augmentation DA*: rotated up to 90 degrees, deformed less often, half of the channels brightened."""

    rotation: float = 90.0
    p_elastic: float = 0.2
    p_additive_brightness_channel: float = 0.5
