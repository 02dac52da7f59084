"""The component `foreign-volume` of kind metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, prod
from typing import ClassVar

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.contracts import Better, Figures, Metric
from nnplug.dataset.labels import Labels


@dataclass(frozen=True)
class VolumeError(Metric):
    """The difference of two volumes, in ml; NaN where neither map holds the class."""

    figures: ClassVar[tuple[str, ...]] = ("volume_error_ml",)
    ranked: ClassVar[Mapping[str, Better]] = {"volume_error_ml": "lower"}

    def measure(
        self,
        reference: LabelArray,
        prediction: LabelArray,
        labels: Labels,
        *,
        spacing: Sequence[float],
    ) -> Mapping[str, Figures]:
        """See `nnplug.contracts.Metric`."""
        counted = np.ones(reference.shape, np.bool_) if labels.ignore is None else reference != labels.ignore
        scores = {}
        for key, values in zip(labels.keys, labels.foreground, strict=True):
            there = np.count_nonzero(np.isin(reference, values) & counted)
            found = np.count_nonzero(np.isin(prediction, values) & counted)
            scores[key] = {self.figures[0]: abs(found - there) * prod(spacing) / 1000 if found or there else nan}
        return scores
