"""Connected components of masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Mask = npt.NDArray[np.bool_]


def largest_component(mask: Mask) -> Mask:
    """Return the largest connected component of a mask; on a tie, all components of that size.

    Args:
        mask: bool, any number of axes. Voxels that share a corner are connected (8 neighbours in 2D, 26 in 3D).

    Returns:
        A new mask of the same shape; the argument is not changed.
    """
    largest = np.zeros_like(mask)
    if not mask.any():
        return largest
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    components, _ = ndimage.label(mask[box], ndimage.generate_binary_structure(mask.ndim, mask.ndim))
    sizes = np.bincount(components.ravel())
    sizes[0] = 0
    largest[box] = (sizes == sizes.max())[components]
    return largest
