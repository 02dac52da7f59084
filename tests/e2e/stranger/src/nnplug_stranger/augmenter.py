"""An augmenter: mirroring and a factor of the contrast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nnplug.contracts import AugmentationContext


@dataclass(frozen=True)
class Bound:
    """The transforms of one training."""

    context: AugmentationContext
    contrast: float

    @property
    def source_patch_size(self) -> tuple[int, ...]:
        """The network's patch: nothing is rotated."""
        return self.context.patch_size

    def __call__(self, image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return image (C, *size) and label (*size), both mirrored, the image scaled."""
        axes = [axis for axis in self.context.mirror_axes if rng.random() < 0.5]
        factor = np.float32(1 + self.contrast * rng.uniform(-1, 1))
        image = np.ascontiguousarray(np.flip(image, [axis + 1 for axis in axes])) * factor
        return image, np.maximum(np.flip(label, axes), 0)


@dataclass(frozen=True, kw_only=True)
class Gentle:
    """Mirroring, and the contrast by at most so much."""

    contrast: float = 0.2

    def bind(self, context: AugmentationContext) -> Bound:
        """Return the transforms for this patch size."""
        return Bound(context, self.contrast)
