"""Distances between the surfaces of two masks.

The surface of a mask is the set of its voxels with a face neighbour outside the mask; beyond the border of the image is
outside. This is the definition of medpy and MONAI. Distances between voxel centres are exact. A k-d tree of the surface
takes a fraction of the time of a distance map of the volume, and needs memory for the surface only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import KDTree

Mask = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances in mm, one per surface voxel, to the nearest surface voxel of the other mask.

    Attributes:
        from_first: (n,) float64, one per surface voxel of the first mask.
        from_second: (m,) float64, one per surface voxel of the second mask.
    """

    from_first: Distances
    from_second: Distances

    def hausdorff(self, percentile: float = 100) -> float:
        """Return the larger of the two directed Hausdorff distances at a percentile (0 to 100), in mm."""
        return max(float(np.percentile(d, percentile)) for d in (self.from_first, self.from_second))

    def mean(self) -> float:
        """Return the average symmetric surface distance (ASSD) over all surface voxels of both masks, in mm."""
        return float(np.concatenate((self.from_first, self.from_second)).mean())

    def dice(self, tolerance: float) -> float:
        """Return the normalised surface Dice: the share of surface voxels within `tolerance` mm of the other."""
        near = sum(int(np.count_nonzero(d <= tolerance)) for d in (self.from_first, self.from_second))
        return near / (self.from_first.size + self.from_second.size)


def surface_distances(first: Mask, second: Mask, spacing: Sequence[float]) -> SurfaceDistances:
    """Return the surface distances of two masks. Each mask must have at least one true voxel.

    Args:
        first: bool, any number of axes. Axes of length 1 are ignored: a mask has no surface across them.
        second: bool, the same shape.
        spacing: mm per axis.

    Raises:
        IndexError: a mask has no true voxel.
    """
    a, b = _surface(first, spacing), _surface(second, spacing)
    return SurfaceDistances(_to_nearest(a, b), _to_nearest(b, a))


def _to_nearest(points: Distances, others: Distances) -> Distances:
    distances: Distances = KDTree(others, balanced_tree=False, compact_nodes=False).query(points)[0]
    return distances


def _surface(mask: Mask, spacing: Sequence[float]) -> Distances:
    """Return the centres of the surface voxels, (n, axes) in mm."""
    axes = [axis for axis, n in enumerate(mask.shape) if n > 1] or [0]
    flat = mask.reshape([mask.shape[axis] for axis in axes])
    box = ndimage.find_objects(flat.astype(np.uint8))[0]
    inside = flat[box]
    corner = [s.start for s in box]
    voxels = np.argwhere(inside & ~ndimage.binary_erosion(inside)) + corner
    points: Distances = voxels * np.array([spacing[axis] for axis in axes], np.float64)
    return points
