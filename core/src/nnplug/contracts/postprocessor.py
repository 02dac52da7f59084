"""Postprocessors: correct label maps by a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.io.readers import Readers, core_readers
from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from nnplug.arrays import LabelArray
    from nnplug.contracts.metric import RankedFigure
    from nnplug.dataset.labels import Labels


@dataclass(frozen=True)
class LabelledCase:
    """The files of the predicted and the reference label map of one case, and the readers of these files."""

    name: str
    prediction: Path
    reference: Path
    readers: Readers = field(default_factory=core_readers, compare=False, repr=False)


class Postprocessor(Protocol):
    """A component that fits a rule on validation predictions and applies it to label maps."""

    def fit(
        self, cases: Sequence[LabelledCase], labels: Labels, *, executor: Executor, progress: Progress
    ) -> Mapping[str, Any]:
        """Return the fitted rule as JSON values; it is stored with the model."""
        ...

    def apply(
        self,
        label_map: LabelArray,
        rule: Mapping[str, Any],
        *,
        spacing: Sequence[float],
        labels: Labels,
    ) -> LabelArray:
        """Return a label map (z, y, x) with a fitted rule applied. Do not change the argument; `spacing` is in mm."""
        ...


class FigurePostprocessor(Postprocessor, Protocol):
    """A postprocessor that can fit its rule by a figure of any metric; its entry has `fits_by_figure=True`."""

    def fit_by(
        self,
        figure: RankedFigure,
        cases: Sequence[LabelledCase],
        labels: Labels,
        *,
        executor: Executor,
        progress: Progress,
    ) -> Mapping[str, Any]:
        """Return the rule that makes the figure best over the cases, as JSON values; see `Postprocessor.fit`."""
        ...
