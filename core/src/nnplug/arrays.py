"""Types of arrays with a meaning of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

LabelArray = npt.NDArray[np.integer[Any]]
"""A label map: one label value per voxel, (z, y, x), any integer dtype."""
