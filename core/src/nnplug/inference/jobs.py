"""Predict many images as jobs of an executor: one after the other on one machine, in parallel on a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import Problems
from nnplug.inference.choose_inference import check_inference
from nnplug.inference.folder import check_outputs, predict_folder
from nnplug.inference.loaded import LoadedModel
from nnplug.inference.options import PredictOptions
from nnplug.inference.outputs import resume_log
from nnplug.inference.outputs.kept_classes import with_kept_classes
from nnplug.inference.outputs.resume_log import forget
from nnplug.inference.outputs.writers import check_writers
from nnplug.inference.prediction_files import PredictionFiles, image_inputs, output_description
from nnplug.models.model_files import model_inputs, refuse_model
from nnplug.registry.runtime import Runtime
from nnplug.runtime.progress import Progress

JOBS_PER_SLOT = 4
"""The number of jobs per worker of a cluster. More jobs keep all workers busy; fewer load the model less often."""


def predict_cases(
    cases: Sequence[CaseFiles],
    output: Path,
    options: PredictOptions,
    runtime: Runtime,
    *,
    inputs: Sequence[Path] = (),
) -> None:
    """Predict cases into a folder, divided into jobs of the executor.

    When the executor repeats a killed job, its finished cases are kept.

    Args:
        cases: the cases, see `find_cases`.
        output: the folder.
        options: models and settings; jobs on other machines open the models again.
        runtime: plugins, device and executor; its workers have models, images and output under the same paths.
        inputs: files that must not be overwritten, besides the images of the cases and the models.

    Raises:
        NnplugError: the models cannot be opened, have no logits to save, or are in the output folder; or the chosen
            inference is not installed or an option of it is invalid; or a class to keep is unknown; or a writer cannot
            write predictions of a case.
        MissingProvider: a component of a model is not installed.
        Problems: files would be lost, a line each, and nothing is written; or some cases failed, a line each with case
            and cause, and the others are predicted.
    """
    described = check_prediction(cases, output, options, runtime, inputs=inputs)
    predict_checked(cases, output, options, runtime, described=described)


def check_prediction(
    cases: Sequence[CaseFiles],
    output: Path,
    options: PredictOptions,
    runtime: Runtime,
    *,
    inputs: Sequence[Path] = (),
    others: Sequence[CaseFiles] = (),
) -> Mapping[str, Any]:
    """Return the `dataset.json` of the predictions; arguments are those of `predict_cases`. Nothing is written.

    `others` are cases that other jobs predict into the folder.

    Raises:
        NnplugError, MissingProvider, Problems: as in `predict_cases`, before any case is predicted.
    """
    check_outputs(options.model, options)
    check_inference(options, runtime.plugins)
    kept = options.kept
    check_writers(options.writers, cases, kept, runtime.progress)
    described = options.dataset_json or output_description(options.model.description.raw, cases)
    described = with_kept_classes(described, kept.labels, options.classes)
    files = PredictionFiles.chosen(output, options, kept)
    _check_files(cases, files, options, inputs, described)
    _check_others(cases, files, others)
    return described


def predict_checked(
    cases: Sequence[CaseFiles],
    output: Path,
    options: PredictOptions,
    runtime: Runtime,
    *,
    described: Mapping[str, Any],
) -> None:
    """Predict cases that `check_prediction` has checked, which returned `described`.

    Raises:
        NnplugError: the models cannot be loaded.
        Problems: some cases failed, a line each with case and cause, and the others are predicted.
    """
    if not options.resume:
        forget(output, cases)
    job = partial(_predict_job, output=output, options=options, runtime=runtime, described=described)
    executor = runtime.executor
    shared = _shared(cases, executor.slots)
    for _ in executor.map_on_device(job, shared, stage="predict", name=_title, progress=runtime.progress):
        pass


def _predict_job(
    cases: Sequence[CaseFiles],
    progress: Progress,
    *,
    output: Path,
    options: PredictOptions,
    runtime: Runtime,
    described: Mapping[str, Any],
) -> None:
    """Predict the cases that are not finished yet, in the process of the job; see `predict_folder`.

    All jobs write the same `described` as `dataset.json`, although each may have images of one format alone.
    """
    again = replace(options, resume=True, dataset_json=described)
    with runtime.limited_memory():
        model = LoadedModel.load(options.model, runtime.in_job(progress), options)
        predict_folder(model, cases, output, again, inputs=model_inputs(options.models), progress=progress)


def _check_files(
    cases: Sequence[CaseFiles],
    files: PredictionFiles,
    options: PredictOptions,
    inputs: Sequence[Path],
    described: Mapping[str, Any],
) -> None:
    """Check the files to write before any job starts; jobs check the files that they do not keep from earlier calls."""
    refuse_model(files.output)
    log = resume_log.read(files.output) if options.resume else {}
    files.outputs(
        [case for case in cases if not log.get(case.name)],
        (*inputs, *image_inputs(cases), *model_inputs(options.models)),
        plans=options.model.plans.data(),
        dataset=described,
    ).check(replace=options.replace)


def _check_others(cases: Sequence[CaseFiles], files: PredictionFiles, others: Sequence[CaseFiles]) -> None:
    """Raise `Problems` if a file of a case is also one of a case of another job."""
    owners = {file: case.name for case in cases for file in files.all_of(case)}
    lines = [
        f"{file}: the results of {owners[file]} and {other.name} would be written to this file; rename an input"
        for other in others
        for file in files.all_of(other)
        if file in owners
    ]
    if lines:
        raise Problems(lines)


def _shared(cases: Sequence[CaseFiles], slots: int) -> list[Sequence[CaseFiles]]:
    """Return one job for one slot, which reads ahead and exports in parallel; else jobs of several cases."""
    jobs = 1 if slots == 1 else min(len(cases), JOBS_PER_SLOT * slots)
    return [cases[first::jobs] for first in range(max(jobs, 1))]


def _title(cases: Sequence[CaseFiles]) -> str:
    return cases[0].name if len(cases) == 1 else f"{len(cases)} images"
