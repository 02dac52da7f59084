"""Prediction of many images as jobs of an executor: on one machine one after the other, on a cluster at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nnplug.dataset.dataset import CaseFiles
from nnplug.inference.ensemble import Ensemble
from nnplug.inference.folder import check_outputs, predict_folder
from nnplug.inference.resume_log import forget
from nnplug.models.model_components import require_components
from nnplug.models.open import Models, open_models
from nnplug.registry.loader import Plugins
from nnplug.runtime.device import choose_device
from nnplug.runtime.executor import Executor
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
        plugins: where the components come from; another process loads those of its own environment.
        folds: of each model; all where None.
        weights: of runs.
        device: as `--device` names it; "auto" is chosen where the job runs.
        mirroring: whether to average over mirrored images.
        step: largest distance of neighbouring windows as a part of the patch.
        save_probabilities: see `predict_folder`.
        save_logits: see `predict_folder`.
    """

    models: tuple[Path, ...]
    output: Path
    plugins: Plugins
    folds: tuple[str, ...] | None = None
    weights: WeightsKind = "final"
    device: str = "auto"
    mirroring: bool = True
    step: float = 0.5
    save_probabilities: bool = False
    save_logits: bool = False

    @cached_property
    def opened(self) -> Models:
        """The models, opened once in each process; raises as `open_models` does."""
        return open_models(self.models, folds=self.folds, weights=self.weights)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is opened: another machine unpacks a zip for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "opened"}

    def __call__(self, cases: Sequence[CaseFiles], progress: Progress) -> None:
        """Predict what is not finished yet; raises as `predict_folder` does."""
        ensemble = Ensemble.load(
            self.opened,
            self.plugins,
            device=choose_device(self.device),
            mirroring=self.mirroring,
            step=self.step,
            progress=progress,
        )
        predict_folder(
            ensemble,
            cases,
            self.output,
            resume=True,
            save_probabilities=self.save_probabilities,
            save_logits=self.save_logits,
            progress=progress,
        )


def predict_cases(
    prediction: FolderPrediction,
    cases: Sequence[CaseFiles],
    *,
    resume: bool = False,
    executor: Executor,
    progress: Progress,
) -> None:
    """Predict cases, shared among as many jobs as the executor has use for.

    Args:
        prediction: how and where to.
        cases: see `find_cases`.
        resume: keep what an earlier call with the same model, settings and unchanged inputs has finished.
        executor: where; its workers see models, images and output under the same paths.
        progress: where to report.

    Raises:
        NnplugError: the models cannot be opened, or have no logits to save.
        MissingProvider: a component of a model is not installed.
        Problems: some cases failed, a line each with case and cause; the others are predicted.
    """
    check_outputs(prediction.opened, save_logits=prediction.save_logits)
    for model in prediction.opened.members:
        require_components(model, prediction.plugins)
    if not resume:
        forget(prediction.output, cases)
    for _ in executor.map_on_device(
        prediction, _shared(cases, executor.slots), stage="predict", name=_title, progress=progress
    ):
        pass


def _shared(cases: Sequence[CaseFiles], slots: int) -> list[Sequence[CaseFiles]]:
    """One job for one slot, which reads ahead and exports behind; else some cases for each job."""
    jobs = 1 if slots == 1 else min(len(cases), JOBS_PER_SLOT * slots)
    return [cases[first::jobs] for first in range(max(jobs, 1))]


def _title(cases: Sequence[CaseFiles]) -> str:
    return cases[0].name if len(cases) == 1 else f"{len(cases)} images"
