"""Metrics: score label maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from nnplug.arrays import LabelArray
    from nnplug.dataset.labels import Labels

Better = Literal["higher", "lower"]
"""The better values of a figure: higher or lower."""

Figures = Mapping[str, float | int]
"""Name of a figure -> its value for one case and one class or region."""


class Metric(Protocol):
    """A component that scores a label map against its reference.

    Attributes:
        figures: the names of all figures, in the order of a table.
        ranked: the figures that `nnplug rank` compares submissions by -> their better values.
    """

    figures: ClassVar[tuple[str, ...]]
    ranked: ClassVar[Mapping[str, Better]]

    def measure(
        self,
        reference: LabelArray,
        prediction: LabelArray,
        labels: Labels,
        *,
        spacing: Sequence[float],
    ) -> Mapping[str, Figures]:
        """Return the figures of one case.

        Args:
            reference: label values (z, y, x), any integer dtype. Do not change it.
            prediction: label values, the same shape. Do not change it.
            labels: classes or regions. Voxels whose reference is `labels.ignore` must not count.
            spacing: (z, y, x) in mm.

        Returns:
            Key of the class or region, as in `labels.keys` -> all of `figures`. NaN means that there is nothing to
            measure, for example a class that neither map has. Means over cases leave NaN out, and ranks count it as
            best.
        """
        ...


@dataclass(frozen=True)
class RankedFigure:
    """A figure of a metric, by which predictions are compared; `nnplug.evaluation.measuring.signed_figure` measures it.

    Attributes:
        metric: the metric that measures it.
        name: the name of the metric and the figure, such as "surface.NSD".
        figure: the name of the figure.
        sign: 1 if higher is better, -1 if lower is.
    """

    metric: Metric
    name: str
    figure: str
    sign: int
