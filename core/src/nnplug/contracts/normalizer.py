"""Normalizers: bring intensities to a common scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nnplug.plans.fingerprint import IntensityStats


class Normalizer(Protocol):
    """A component that brings the intensities of one channel to a common scale.

    Attributes:
        zeroes_outside_mask: whether, with a mask, voxels outside it become 0 and must stay 0 in augmentation.
    """

    zeroes_outside_mask: ClassVar[bool]

    def normalize(
        self, image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_] | None, intensity: IntensityStats | None
    ) -> npt.NDArray[np.float32]:
        """Return one normalised channel (z, y, x), which is cropped but not yet resampled.

        Args:
            image: (z, y, x) float32, in the units of the image; may be changed in place.
            mask: (z, y, x) bool, the nonzero region, if the plans have `use_mask`; else None.
            intensity: the foreground statistics of this channel over the dataset; None if there are none.

        Raises:
            NnplugError: the normalizer cannot use the values; the message has a value and the remedy.
        """
        ...
