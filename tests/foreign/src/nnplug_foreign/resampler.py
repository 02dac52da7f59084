"""A resampler that takes the nearest voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nnplug.contracts import Regrid, Resampler
from nnplug.ops.resample import nearest, resampled_shape

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Nearest(Resampler):
    """Nearest voxels, of images too."""

    def new_shape(self, shape: Shape, spacing: Spacing, new_spacing: Spacing) -> Shape:
        """Return the shape of the same volume."""
        return resampled_shape(shape, spacing, new_spacing)

    def resample_image(self, image: npt.NDArray[np.float32], grids: Regrid) -> npt.NDArray[np.float32]:
        """Take the nearest voxel of each channel."""
        return np.stack([_taken(volume, grids.shape) for volume in image])

    def resample_label(self, label: npt.NDArray[np.int16], grids: Regrid) -> npt.NDArray[np.int16]:
        """Take the nearest label."""
        taken: npt.NDArray[np.int16] = _taken(label, grids.shape)
        return taken


def _taken(volume: npt.NDArray[Any], shape: Shape) -> npt.NDArray[Any]:
    return volume[np.ix_(*map(nearest, volume.shape, shape))]
