"""The options of a prediction, one value for the command, its jobs and Python."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nnplug.models.open import Model, open_model
from nnplug.workspace.runs import WeightsKind


@dataclass(frozen=True)
class PredictOptions:
    """Which models predict, how, and what is written. `dataclasses.replace` changes a field.

    Attributes:
        models: runs, configurations' folders and bundles; the probabilities of several are averaged. Empty where the
            caller opens a model itself.
        folds: of each model; all where None.
        weights: of runs: those after the last epoch, or the best.
        mirroring: whether to average over mirror images along the axes that were mirrored in training.
        step: largest distance of neighbouring windows as a part of the patch, above 0 and at most 1.
        sums_on_device: whether logits are summed up on the device while that has room; on the CPU otherwise.
        save_probabilities: write CASE.npz too, see `nnplug.inference.probabilities.write_probabilities`.
        save_logits: write CASE.logits.zip too, see `nnplug.inference.logits`.
        previous: a folder of label maps that the previous stage of a cascade gave; None to have it predict here.
        resume: keep what an earlier call with the same model, settings and unchanged inputs has finished.
        replace: whether files may be replaced that nnplug did not write, or that have changed since.
    """

    models: tuple[Path, ...] = ()
    folds: tuple[str, ...] | None = None
    weights: WeightsKind = "final"
    mirroring: bool = True
    step: float = 0.5
    sums_on_device: bool = True
    save_probabilities: bool = False
    save_logits: bool = False
    previous: Path | None = None
    resume: bool = False
    replace: bool = False

    @cached_property
    def model(self) -> Model:
        """The model of `models`, opened once in each process; raises as `open_model` does."""
        return open_model(*self.models, folds=self.folds, weights=self.weights)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is opened: another machine unpacks a zip for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "model"}
