"""The functions of the side that a recipe belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from quality import ours, theirs
from quality.datasets import Part, Prepared
from quality.place import Place
from quality.records import Epoch
from quality.trainings import Training


class Side(Protocol):
    """A module with the functions of a side; see `quality.ours`."""

    def train(self, training: Training, prepared: Prepared, place: Place, limit: float | None) -> None: ...

    def epochs(self, training: Training, place: Place) -> tuple[Epoch, ...]: ...

    def is_kept(self, place: Place, point: int) -> bool: ...

    def predict(
        self, training: Training, prepared: Prepared, place: Place, point: int, part: Part, output: Path
    ) -> None: ...


def side_of(training: Training) -> Side:
    """Return the module of nnplug's or of nnunetv2's side."""
    return ours if training.recipe.side == "ours" else theirs
