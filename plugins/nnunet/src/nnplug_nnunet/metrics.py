"""The metrics `overlap` and `surface`: nnU-Net's counts, and distances between surfaces.

Surface distances are computed with scipy's k-d tree (`nnplug.ops.surface`); the core needs scipy anyway. They agree
with MONAI's to rounding (`bench/oracle/surfaces.py` makes the reference values of the test), so a dependency on MONAI
or medpy would add nothing. Distance maps, SimpleITK's included, are computed for every voxel of the volume.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from nnplug.arrays import LabelArray
from nnplug.contracts import Better, Figures, Metric
from nnplug.evaluation.metrics import Overlap
from nnplug.ops.surface import surface_distances

if TYPE_CHECKING:
    import numpy.typing as npt

    from nnplug.dataset.labels import Labels

__all__ = ["Overlap", "Surface"]


@dataclass(frozen=True, kw_only=True)
class Surface(Metric):
    """HD95, ASSD and normalised surface Dice (NSD) of every class or region.

    If neither map has the class or region, all three are NaN. If only one map has it, NSD is 0 and the distances are
    `missing`.

    Attributes:
        tolerance: distance in mm up to which surfaces count as equal for NSD.
        missing: HD95 and ASSD in mm if only one map has the class or region.
    """

    figures: ClassVar[tuple[str, ...]] = ("HD95", "ASSD", "NSD")
    ranked: ClassVar[Mapping[str, Better]] = {"HD95": "lower", "NSD": "higher"}

    tolerance: float = 1.0
    missing: float = math.inf

    def __post_init__(self) -> None:
        """Raise `ValueError` if a distance is below 0."""
        for name in ("tolerance", "missing"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected mm, at least 0")

    def measure(
        self,
        reference: LabelArray,
        prediction: LabelArray,
        labels: Labels,
        *,
        spacing: Sequence[float],
    ) -> Mapping[str, Figures]:
        """See `nnplug.contracts.Metric`; voxels with the ignore label are background in both maps."""
        counted = reference != labels.ignore if labels.ignore is not None else True
        return {
            key: self._figures(np.isin(reference, region) & counted, np.isin(prediction, region) & counted, spacing)
            for key, region in zip(labels.keys, labels.foreground, strict=True)
        }

    def _figures(
        self, reference: npt.NDArray[np.bool_], prediction: npt.NDArray[np.bool_], spacing: Sequence[float]
    ) -> Figures:
        held = reference.any(), prediction.any()
        if not all(held):
            distance, share = (self.missing, 0.0) if any(held) else (math.nan, math.nan)
            return dict(zip(self.figures, (distance, distance, share), strict=True))
        distances = surface_distances(prediction, reference, spacing)
        values = distances.hausdorff(95), distances.mean(), distances.dice(self.tolerance)
        return dict(zip(self.figures, values, strict=True))
