"""A metric: the share of a reference that was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nnplug.contracts import Better  # the hints of a component's class are read

if TYPE_CHECKING:
    from nnplug.contracts import Figures
    from nnplug.dataset.labels import Labels


@dataclass(frozen=True)
class Recall:
    """Found voxels of the reference."""

    figures: ClassVar[tuple[str, ...]] = ("stranger_recall",)
    ranked: ClassVar[Mapping[str, Better]] = {"stranger_recall": "higher"}

    def measure(
        self, reference: np.ndarray, prediction: np.ndarray, labels: Labels, *, spacing: Sequence[float]
    ) -> Mapping[str, Figures]:
        """Return the recall per class or region; NaN where the reference has none."""
        return {
            key: {"stranger_recall": float(np.isin(prediction[np.isin(reference, region)], region).mean())}
            if np.isin(reference, region).any()
            else {"stranger_recall": float("nan")}
            for key, region in zip(labels.keys, labels.foreground, strict=True)
        }
