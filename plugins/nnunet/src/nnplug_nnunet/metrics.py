"""`overlap` and `surface`: what nnU-Net counts, and how far surfaces are apart.

Surface distances are computed by scipy's k-d tree (`nnplug.ops.surface`), which the core needs anyway. They agree with
MONAI's to rounding (`bench/oracle/surfaces.py` makes the figures of the test), so that a dependency on MONAI or medpy
would buy nothing; distance maps, SimpleITK's included, are computed for every voxel of the volume.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

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

    Where neither map holds it all are NaN; where only one does, NSD is 0 and the distances are `missing`.

    Attributes:
        tolerance: mm up to which surfaces count as equal for NSD.
        missing: mm of HD95 and ASSD where only one map holds the class or region.
    """

    figures: ClassVar[tuple[str, ...]] = ("HD95", "ASSD", "NSD")
    ranked: ClassVar[Mapping[str, Better]] = {"HD95": "lower", "NSD": "higher"}

    tolerance: float = 1.0
    missing: float = math.inf

    def __post_init__(self) -> None:
        """Refuse distances below 0."""
        for name in ("tolerance", "missing"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected mm, at least 0")

    def measure(
        self,
        reference: npt.NDArray[np.integer[Any]],
        prediction: npt.NDArray[np.integer[Any]],
        labels: Labels,
        *,
        spacing: Sequence[float],
    ) -> Mapping[str, Figures]:
        """See `nnplug.contracts.Metric`; ignored voxels are outside of everything, in both maps."""
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
