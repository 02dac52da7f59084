"""Normalizers: bring intensities to a common scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nnplug.plans.fingerprint import IntensityStats


class Normalizer(Protocol):
    """Brings the intensities of one channel to a common scale.

    Attributes:
        zeroes_outside_mask: whether, with a mask, voxels outside it are 0 afterwards and must stay so through
            augmentation.
    """

    zeroes_outside_mask: ClassVar[bool]

    def normalize(
        self, image: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_] | None, intensity: IntensityStats | None
    ) -> npt.NDArray[np.float32]:
        """Normalise one channel (z, y, x), cropped and not yet resampled; it may be changed in place.

        Args:
            image: intensities in the image's own units.
            mask: the nonzero region where the plans ask for it, else None.
            intensity: the dataset's foreground statistics of this channel, None where there are none.

        Raises:
            NnplugError: the values do not suit this normalizer; the message quotes one and the remedy.
        """
        ...
