"""Metrics: score label maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nnplug.dataset.labels import Labels

Better = Literal["higher", "lower"]
"""Which values of a figure are the good ones."""

Figures = Mapping[str, float | int]
"""Name of a figure -> its value for one case and one class or region."""


class Metric(Protocol):
    """Scores a label map against its reference.

    Attributes:
        figures: the names of all that it measures, in the order of a table.
        ranked: those by which `nnplug rank` compares submissions, and which values win.
    """

    figures: ClassVar[tuple[str, ...]]
    ranked: ClassVar[Mapping[str, Better]]

    def measure(
        self,
        reference: npt.NDArray[np.integer[Any]],
        prediction: npt.NDArray[np.integer[Any]],
        labels: Labels,
        *,
        spacing: Sequence[float],
    ) -> Mapping[str, Figures]:
        """Score one case.

        Args:
            reference: label values (z, y, x); stays as it is.
            prediction: label values, the same shape; stays as it is.
            labels: classes or regions; voxels whose reference is `labels.ignore` must not count.
            spacing: (z, y, x) in mm.

        Returns:
            Key of the class or region, as in `labels.keys` -> all of `figures`. NaN says that there is nothing to
            measure, as where neither map holds the class: means over cases leave it out, and ranks count it as best.
        """
        ...
