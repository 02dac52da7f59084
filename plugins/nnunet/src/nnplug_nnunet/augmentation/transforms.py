"""The transforms of one training, and the parameters drawn for one sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nnplug_nnunet.augmentation.intensity import MaskOutside
from nnplug_nnunet.augmentation.previous import ComponentRemoval, Morphology
from nnplug_nnunet.augmentation.sample import ChannelTransform, Transform
from nnplug_nnunet.augmentation.spatial import Mirror, SpatialParams, SpatialTransform


@dataclass(frozen=True)
class Drawn:
    """All random parameters of one sample.

    Attributes:
        spatial: parameters of the spatial transform, None if the patch is only cropped.
        effects: parameters of the other transforms in their order, None for those that do not change the sample.
    """

    spatial: SpatialParams | None
    effects: tuple[Any, ...]


@dataclass(frozen=True)
class Transforms:
    """The transforms of one training, in the order of their application.

    Attributes:
        source_patch_size: the larger patch that the loader cuts, voxels.
        spatial: rotation, scaling and elastic deformation, or a crop.
        intensity: the transforms of single channels.
        mirror: the mirroring.
        mask: sets channels to 0 outside the nonzero mask.
        previous: the two transforms of the previous stage's label map; empty without a cascade.
        previous_labels: its label values; empty without a cascade.
        turns: quarter turns and exchanges of axes, after the spatial transform; not for batches.
    """

    source_patch_size: tuple[int, ...]
    spatial: SpatialTransform
    intensity: tuple[ChannelTransform[Any], ...]
    mirror: Mirror
    mask: MaskOutside
    previous: tuple[Morphology, ComponentRemoval] | tuple[()] = ()
    previous_labels: tuple[int, ...] = ()
    turns: tuple[Transform[Any], ...] = ()

    @property
    def after_spatial(self) -> tuple[Transform[Any], ...]:
        """The transforms after the spatial one, without the mask, which draws no parameters."""
        return (*self.turns, *self.intensity, self.mirror, *(self.previous if self.previous_labels else ()))

    def draw(self, rng: np.random.Generator, channels: int) -> Drawn:
        """Draw the parameters of one sample, in the order of the transforms."""
        spatial = self.spatial.draw(rng, channels)
        return Drawn(spatial, tuple(transform.draw(rng, channels) for transform in self.after_spatial))
