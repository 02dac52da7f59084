"""The index of a case that `foreign-adam` reads: some foreground voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from nnplug.contracts import CaseIndex, CaseIndexer
from nnplug.dataset.labels import Labels

ARRAY = "foreground"
MOST = 500


@dataclass(frozen=True)
class Foreground(CaseIndexer):
    """Evenly chosen voxels of each class, at most 500 per class."""

    version: ClassVar[int] = 1

    def index(self, label: npt.NDArray[np.int16], labels: Labels) -> CaseIndex:
        """Return the voxels as an array (n, 3) of (z, y, x)."""
        chosen = [_spread(np.argwhere(label == value)) for value in labels.foreground_values]
        return CaseIndex(arrays={ARRAY: np.concatenate(chosen).astype(np.int32)})


def _spread(voxels: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    return voxels[:: max(1, -(-len(voxels) // MOST))]
