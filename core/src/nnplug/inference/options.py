"""The options of a prediction, one value for the command, its jobs and Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nnplug.dataset.description import DatasetDescription
from nnplug.inference.outputs.kept_classes import kept_description
from nnplug.inference.outputs.writers import ChosenWriter
from nnplug.models.bundle import PREDICTION_KINDS
from nnplug.models.open import Model, open_model
from nnplug.registry.components import Kind
from nnplug.workspace.runs import WeightsKind


@dataclass(frozen=True)
class PredictOptions:
    """The models of a prediction, its settings and its outputs. To change a field, use `dataclasses.replace`.

    Attributes:
        models: runs, configurations' folders and bundles; the probabilities of several are averaged. Empty if the
            caller opens a model itself.
        folds: the folds of each model; None for all.
        weights: the weights to read from a run: "final" or "best".
        mirroring: whether to average over mirror images along the axes that were mirrored in training.
        step: the value of the inference's option `step`, in the place of the model's; None for the model's.
        inference: the name of an inference in the place of the model's; None for the model's.
        inference_options: option -> value, for the inference; they win over those of the plans.
        sums_on_device: whether logits are summed on the device if it has room; if not, on the CPU.
        save_probabilities: whether to write CASE.npz, see `nnplug.inference.probabilities.write_probabilities`.
        save_logits: whether to write CASE.logits.zip, see `nnplug.inference.logits`.
        classes: the foreground classes or regions to keep in label maps, see
            `nnplug.inference.outputs.kept_classes`; empty for all. Probabilities and logits are stored of all.
        writers: the writers of further files with each label map, see `nnplug.inference.outputs.writers`.
        previous: a folder of label maps of the previous stage of a cascade; None: the previous stage predicts them.
        resume: whether to keep finished cases of an earlier call with the same model, settings and unchanged inputs.
        dataset_json: `dataset.json` beside the predictions; None for that of the model with the format of the images.
        replace: whether to replace files that nnplug did not write, or that have changed since it wrote them.
        force: whether to predict images whose spacing is far from that of the training, see
            `nnplug.inference.plausibility`.
    """

    models: tuple[Path, ...] = ()
    folds: tuple[str, ...] | None = None
    weights: WeightsKind = "final"
    mirroring: bool = True
    step: float | None = None
    inference: str | None = None
    inference_options: Mapping[str, Any] = field(default_factory=dict)
    sums_on_device: bool = True
    save_probabilities: bool = False
    save_logits: bool = False
    classes: tuple[str, ...] = ()
    writers: tuple[ChosenWriter, ...] = ()
    previous: Path | None = None
    resume: bool = False
    replace: bool = False
    force: bool = False
    dataset_json: Mapping[str, Any] | None = None

    @property
    def needed_kinds(self) -> tuple[Kind, ...]:
        """The kinds of component that the model must have; its inference is not needed if another one is chosen."""
        return tuple(kind for kind in PREDICTION_KINDS if self.inference is None or kind is not Kind.INFERENCE)

    @cached_property
    def model(self) -> Model:
        """The model of `models`, opened once in each process; raises as `open_model` does."""
        return open_model(*self.models, folds=self.folds, weights=self.weights)

    @property
    def kept(self) -> DatasetDescription:
        """The `dataset.json` of the model with the labels of the kept classes; raises as `kept_description` does."""
        return kept_description(self.model.description, self.classes)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the opened model: another machine unpacks a zip file itself."""
        return {name: value for name, value in self.__dict__.items() if name != "model"}
