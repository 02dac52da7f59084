"""Postprocessors: correct label maps by a rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nnplug.runtime.executor import Executor
from nnplug.runtime.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from nnplug.dataset.labels import Labels


@dataclass(frozen=True)
class LabelledCase:
    """A predicted and a reference label map of one case."""

    name: str
    prediction: Path
    reference: Path


class Postprocessor(Protocol):
    """A rule fitted on validation predictions and applied to label maps."""

    def fit(
        self, cases: Sequence[LabelledCase], labels: Labels, *, executor: Executor, progress: Progress
    ) -> Mapping[str, Any]:
        """Choose the rule, as JSON; it travels with the model."""
        ...

    def apply(
        self,
        label_map: npt.NDArray[np.integer[Any]],
        rule: Mapping[str, Any],
        *,
        spacing: Sequence[float],
        labels: Labels,
    ) -> npt.NDArray[np.integer[Any]]:
        """Apply a fitted rule to a (z, y, x) label map with spacing in mm; the argument stays as it is."""
        ...
