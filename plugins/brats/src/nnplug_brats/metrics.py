"""The metric `brats`: the scores of the BraTS challenge, with its rules for absent regions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.contracts import Better, Figures, Metric
from nnplug.ops.surface import surface_distances

if TYPE_CHECKING:
    import numpy.typing as npt

    from nnplug.dataset.labels import Labels

    Mask = npt.NDArray[np.bool_]

MISSING = 373.12866
"""The challenge's HD95 in mm if only one map has a region: the diagonal of 240 x 240 x 155 voxels of 1 mm."""


@dataclass(frozen=True)
class BratsMetric(Metric):
    """Dice, HD95, sensitivity and specificity of every region of `dataset.json`.

    A region that is in neither map has Dice 1 and HD95 0; a region that is in only one map has Dice 0 and HD95
    373.12866 mm. HD95 is the larger of the 95th percentiles of both directed distances. Sensitivity is NaN if the
    reference lacks the region, specificity if the region fills the reference.
    """

    figures: ClassVar[tuple[str, ...]] = ("Dice", "HD95", "Sensitivity", "Specificity")
    ranked: ClassVar[Mapping[str, Better]] = {"Dice": "higher", "HD95": "lower"}

    def measure(
        self,
        reference: LabelArray,
        prediction: LabelArray,
        labels: Labels,
        *,
        spacing: Sequence[float],
    ) -> Mapping[str, Figures]:
        """See `nnplug.contracts.Metric`."""
        counted = np.count_nonzero(reference != labels.ignore) if labels.ignore is not None else reference.size
        return {
            key: self._figures(*masks, int(counted), spacing)
            for key, masks in zip(labels.keys, region_masks(reference, prediction, labels), strict=True)
        }

    def _figures(self, reference: Mask, prediction: Mask, voxels: int, spacing: Sequence[float]) -> Figures:
        tp, size, predicted = map(int, map(np.count_nonzero, (reference & prediction, reference, prediction)))
        negatives = voxels - size
        return {
            "Dice": dice(reference, prediction),
            "HD95": hd95(reference, prediction, spacing),
            "Sensitivity": tp / size if size else math.nan,
            "Specificity": (negatives - predicted + tp) / negatives if negatives else math.nan,
        }


def region_masks(reference: LabelArray, prediction: LabelArray, labels: Labels) -> Iterator[tuple[Mask, Mask]]:
    """Yield reference and prediction of each class or region as masks (z, y, x), without ignored voxels."""
    counted = np.True_ if labels.ignore is None else reference != labels.ignore
    for region in labels.foreground:
        yield np.isin(reference, region) & counted, np.isin(prediction, region) & counted


def dice(reference: Mask, prediction: Mask) -> float:
    """Return Dice of two masks (z, y, x) by the challenge's rule: 1 if both are empty."""
    size = int(np.count_nonzero(reference)) + int(np.count_nonzero(prediction))
    return 2 * int(np.count_nonzero(reference & prediction)) / size if size else 1.0


def hd95(reference: Mask, prediction: Mask, spacing: Sequence[float]) -> float:
    """Return the 95th percentile of the Hausdorff distance in mm, by the challenge's rules if a mask is empty.

    Args:
        reference: mask (z, y, x).
        prediction: mask (z, y, x).
        spacing: (z, y, x) in mm.
    """
    held = bool(reference.any()), bool(prediction.any())
    if not all(held):
        return MISSING if any(held) else 0.0
    return surface_distances(prediction, reference, spacing).hausdorff(95)
