"""Score a trained fold on its validation cases, whole images at their original geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnplug.data.dataset import CaseFiles
from nnplug.data.images import read_geometry, write_label
from nnplug.data.record import RunRecord
from nnplug.plugins import Plugins
from nnplug.runtime.executor import Executor
from nnplug.runtime.files import read_json, write_json
from nnplug.runtime.progress import Progress
from nnplug.stages.cascade import Handover
from nnplug.stages.evaluate import evaluate_cases
from nnplug.stages.model import open_stage
from nnplug.stages.predict import Predictor
from nnplug.stages.split import ensure_splits
from nnplug.stages.train import TrainingJob

if TYPE_CHECKING:
    from pathlib import Path

    import torch


SUMMARY = "summary.json"


def validate(
    job: TrainingJob,
    *,
    plugins: Plugins,
    device: torch.device,
    mirroring: bool,
    executor: Executor,
    progress: Progress,
) -> dict[str, Any]:
    """Predict a finished fold's validation cases with its final weights and score them against their labels.

    Predictions and `summary.json` go to the run's `validation/`; what is there from an earlier start is kept. Where
    other configurations refine this one, they get the predictions too (`nnplug.stages.cascade`).

    Args:
        job: the trained fold.
        plugins: where the components come from.
        device: where to predict.
        mirroring: whether to average over mirrored images where training mirrored.
        executor: scores cases in parallel.
        progress: where to report.

    Returns:
        The summary in nnU-Net's layout.
    """
    summary = job.run.validation / SUMMARY
    cases = _validation_cases(job)
    _predict_missing(job, cases, plugins=plugins, device=device, mirroring=mirroring, progress=progress)
    if summary.exists():
        return dict(read_json(summary))
    pairs = [(_prediction(job, case), _label(case)) for case in cases]
    scores = evaluate_cases(pairs, job.description, executor=executor, progress=progress)
    write_json(summary, scores)
    return scores


def _validation_cases(job: TrainingJob) -> list[CaseFiles]:
    names = RunRecord.read(job.run.record).validation
    cases = {case.name: case for case in job.dataset.training_cases()}
    return [cases[name] for name in names]


def _predict_missing(
    job: TrainingJob,
    cases: list[CaseFiles],
    *,
    plugins: Plugins,
    device: torch.device,
    mirroring: bool,
    progress: Progress,
) -> None:
    handover = Handover(job, ensure_splits(job.dataset, job.workspace, progress=progress))
    missing = [case for case in cases if _lacks_prediction(job, case) or handover.is_due(case.name)]
    if not missing:
        return
    predictor = Predictor(open_stage(job.run.path), plugins, device=device, mirroring=mirroring, progress=progress)
    store = job.cases
    with progress.task(f"validate {job.title}", len(cases), done=len(cases) - len(missing)) as advance:
        for case in missing:
            prepared = store[case.name]
            logits = predictor.logits(prepared.channels())
            if _lacks_prediction(job, case):
                label_map = predictor.labels(logits, prepared.frame)
                write_label(_prediction(job, case), label_map, read_geometry(_label(case)))
            handover.write(case.name, logits, predictor)
            advance(case.name)


def _lacks_prediction(job: TrainingJob, case: CaseFiles) -> bool:
    """Whether a validation case is still to be predicted; what is scored need not be kept."""
    return not ((job.run.validation / SUMMARY).exists() or _prediction(job, case).exists())


def _prediction(job: TrainingJob, case: CaseFiles) -> Path:
    return job.run.validation / f"{case.name}{job.description.file_ending}"


def _label(case: CaseFiles) -> Path:
    assert case.label is not None, "training cases have labels"
    return case.label
