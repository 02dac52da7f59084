"""The values of options that belong together, each as one argument of a command; `options` makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnplug.steps.choices import FoldSelection, PlanChoices, RuntimeOptions

__all__ = ["Compared", "FoldSelection", "PlanChoices", "RuntimeOptions", "Written"]


@dataclass(frozen=True)
class Compared:
    """Two folders of label maps with the same names.

    Attributes:
        references: the folder of references.
        predictions: the folder of predictions.
        dataset_json: file with labels, regions and ignore label; None if the command does not need it.
    """

    references: Path
    predictions: Path
    dataset_json: Path | None


@dataclass(frozen=True)
class Written:
    """The file or folder that a command writes, and whether it replaces files that nnplug did not write."""

    output: Path
    replace: bool
