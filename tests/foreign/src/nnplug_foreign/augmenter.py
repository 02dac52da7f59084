"""The component `foreign-flips` of kind augmenter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnplug.contracts import Augmentation, AugmentationContext, Augmenter


@dataclass(frozen=True, kw_only=True)
class Flips(Augmenter):
    """Mirrors a patch along each axis that may be mirrored.

    Attributes:
        probability: of each axis.
    """

    probability: float = 0.5

    def bind(self, context: AugmentationContext) -> BoundFlips:
        """See `nnplug.contracts.Augmenter`."""
        return BoundFlips(context.patch_size, context.mirror_axes, self.probability)


@dataclass(frozen=True)
class BoundFlips(Augmentation):
    """The flips of one training."""

    patch_size: tuple[int, ...]
    axes: tuple[int, ...]
    probability: float

    @property
    def source_patch_size(self) -> tuple[int, ...]:
        """The patch itself: a flip needs no border."""
        return self.patch_size

    def __call__(
        self, image: npt.NDArray[np.float32], label: npt.NDArray[np.int16], rng: np.random.Generator
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
        """See `nnplug.contracts.Augmentation`."""
        flipped = tuple(axis for axis in self.axes if rng.random() < self.probability)
        image = np.flip(image, tuple(axis + 1 for axis in flipped))
        label = np.maximum(np.flip(label, flipped), 0)
        return np.ascontiguousarray(image), np.ascontiguousarray(label)
