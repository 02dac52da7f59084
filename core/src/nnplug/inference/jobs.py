"""Prediction of many images as jobs of an executor: on one machine one after the other, on a cluster at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import CaseFiles
from nnplug.inference import resume_log
from nnplug.inference.ensemble import Ensemble
from nnplug.inference.folder import check_outputs, predict_folder
from nnplug.inference.prediction_outputs import PredictionFiles, image_inputs
from nnplug.inference.resume_log import forget
from nnplug.models.model_components import require_components
from nnplug.models.model_files import model_inputs, refuse_model
from nnplug.models.open import Models, open_models
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Progress
from nnplug.workspace.runs import WeightsKind

JOBS_PER_SLOT = 4
"""On a cluster: so many that no worker idles for long at the end, so few that loading the model is little of each."""


@dataclass(frozen=True)
class FolderPrediction:
    """Predicts cases into a folder, in whatever process it is called; what a killed one has finished is kept.

    Attributes:
        models: runs, configurations' folders and bundles; the probabilities of several are averaged.
        output: the folder.
        folds: of each model; all where None.
        weights: of runs.
        mirroring: whether to average over mirrored images.
        step: largest distance of neighbouring windows as a part of the patch.
        save_probabilities: see `predict_folder`.
        save_logits: see `predict_folder`.
        replace: see `predict_folder`.
    """

    models: tuple[Path, ...]
    output: Path
    folds: tuple[str, ...] | None = None
    weights: WeightsKind = "final"
    mirroring: bool = True
    step: float = 0.5
    save_probabilities: bool = False
    save_logits: bool = False
    replace: bool = False

    @cached_property
    def opened(self) -> Models:
        """The models, opened once in each process; raises as `open_models` does."""
        return open_models(self.models, folds=self.folds, weights=self.weights)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is opened: another machine unpacks a zip for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "opened"}

    def run(self, cases: Sequence[CaseFiles], progress: Progress, *, runtime: Runtime) -> None:
        """Predict what is not finished yet; raises as `predict_folder` does.

        Args:
            cases: see `find_cases`.
            progress: where this job reports.
            runtime: plugins and device; another process loads plugins and chooses the device for itself.
        """
        ensemble = Ensemble.load(self.opened, runtime.in_job(progress), mirroring=self.mirroring, step=self.step)
        predict_folder(
            ensemble,
            cases,
            self.output,
            resume=True,
            save_probabilities=self.save_probabilities,
            save_logits=self.save_logits,
            inputs=model_inputs(self.models),
            replace=self.replace,
            progress=progress,
        )


def predict_cases(
    prediction: FolderPrediction,
    cases: Sequence[CaseFiles],
    runtime: Runtime,
    *,
    resume: bool = False,
    beside: Sequence[CaseFiles] = (),
) -> None:
    """Predict cases, shared among as many jobs as the executor has use for.

    Args:
        prediction: how and where to.
        cases: see `find_cases`.
        runtime: plugins, device, and the executor, whose workers see models, images and output under the same paths.
        resume: keep what an earlier call with the same model, settings and unchanged inputs has finished.
        beside: cases that other calls predict from the same images: they must not be overwritten either.

    Raises:
        NnplugError: the models cannot be opened, have no logits to save, or are what the output folder holds.
        MissingProvider: a component of a model is not installed.
        Problems: files would be lost, a line each, and nothing is written; or some cases failed, a line each with case
            and cause, and the others are predicted.
    """
    check_outputs(prediction.opened, save_logits=prediction.save_logits)
    for model in prediction.opened.members:
        require_components(model, runtime.plugins)
    _check_files(prediction, cases, beside, resume=resume)
    if not resume:
        forget(prediction.output, cases)
    run, executor = partial(prediction.run, runtime=runtime), runtime.executor
    shared = _shared(cases, executor.slots)
    for _ in executor.map_on_device(run, shared, stage="predict", name=_title, progress=runtime.progress):
        pass


def _check_files(
    prediction: FolderPrediction, cases: Sequence[CaseFiles], beside: Sequence[CaseFiles], *, resume: bool
) -> None:
    """Check what will be written before any job starts; jobs check what they do not keep of an earlier call."""
    refuse_model(prediction.output)
    model = prediction.opened.members[0]
    log = resume_log.read(prediction.output) if resume else {}
    files = PredictionFiles(prediction.output, prediction.save_probabilities, prediction.save_logits)
    files.outputs(
        [case for case in cases if not log.get(case.name)],
        (*image_inputs((*cases, *beside)), *model_inputs(prediction.models)),
        plans=model.plans.data(),
        dataset=dict(model.description.raw),
    ).check(replace=prediction.replace)


def _shared(cases: Sequence[CaseFiles], slots: int) -> list[Sequence[CaseFiles]]:
    """One job for one slot, which reads ahead and exports behind; else some cases for each job."""
    jobs = 1 if slots == 1 else min(len(cases), JOBS_PER_SLOT * slots)
    return [cases[first::jobs] for first in range(max(jobs, 1))]


def _title(cases: Sequence[CaseFiles]) -> str:
    return cases[0].name if len(cases) == 1 else f"{len(cases)} images"
