"""Types of arrays with a meaning of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

LabelArray = npt.NDArray[np.integer[Any]]
"""A label map: one label value per voxel, (z, y, x), any integer dtype."""


class DisposableArray(np.ndarray):
    """An array that is not read again after the call that takes it, so that the call may overwrite it.

    An image of 1024^3 voxels has 4 GB; a preprocessing that normalises it in place needs no second one.
    """
