"""A postprocessor: label maps with fewer voxels than any reference are emptied."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from nnplug.io.images import read_label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nnplug.contracts import Executor, LabelledCase
    from nnplug.dataset.labels import Labels
    from nnplug.runtime.progress import Progress


def voxels(case: LabelledCase) -> int:
    """Count the foreground of a reference."""
    return int(np.count_nonzero(read_label(case.reference).array))


@dataclass(frozen=True, kw_only=True)
class Fewest:
    """Empties what is far smaller than the smallest reference."""

    share: float = 0.01

    def fit(
        self, cases: Sequence[LabelledCase], labels: Labels, *, executor: Executor, progress: Progress
    ) -> Mapping[str, Any]:
        """Return the least number of voxels."""
        return {"least": self.share * min(executor.map(voxels, cases, stage="postprocess", name=attrgetter("name")))}

    def apply(
        self, label_map: np.ndarray, rule: Mapping[str, Any], *, spacing: Sequence[float], labels: Labels
    ) -> np.ndarray:
        """Return the label map, or an empty one."""
        return label_map.copy() if np.count_nonzero(label_map) >= rule["least"] else np.zeros_like(label_map)
