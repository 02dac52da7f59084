"""Run all steps from a dataset to a bundle. Each step skips finished work, so that a killed run resumes."""

from __future__ import annotations

from collections.abc import Callable

from nnplug.errors import Problems
from nnplug.pipeline.ensure_plans import ensure_plans
from nnplug.pipeline.jobs import asked_configurations, changed_runs, make_jobs, report_added_folds
from nnplug.pipeline.request import RunRequest, RunResult, Step
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Plans
from nnplug.preparation.finished_steps import FinishedStep
from nnplug.preparation.measure import measure_into
from nnplug.preparation.preprocess import preprocess_dataset
from nnplug.preparation.verify import verify
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.recipes import component_name
from nnplug.registry.runtime import Runtime
from nnplug.training.job import TrainingJob
from nnplug.training.set_aside import set_aside


def run(
    request: RunRequest, runtime: Runtime, *, planned: Callable[[Plans, tuple[str, ...]], None] | None = None
) -> RunResult:
    """Verify, fingerprint, plan, preprocess, train, validate, select and bundle; return the result.

    If every fold of the requested configurations is trained, the best configuration or ensemble is selected, with its
    postprocessing, and becomes the only model. If folds are missing, each configuration becomes a model.

    Args:
        request: the request for the run.
        runtime: the plugins, the executor that processes cases and trains folds, and the device and threads of each
            process that trains.
        planned: is called with the plans and the requested configurations before cases are preprocessed.

    Raises:
        Problems: the dataset has faults, one line each.
        NnplugError: values differ from those of an earlier start; the message has the values and the remedy.
    """
    ensure_verified(request, runtime)
    if not Step.FINGERPRINT.reached(request.until):
        return RunResult()
    fingerprint = ensure_fingerprint(request, runtime)
    if not Step.PLAN.reached(request.until):
        return RunResult()
    plans = ensure_plans(request, fingerprint, runtime)
    jobs = make_jobs(request, plans, runtime.progress)
    report_added_folds(request, jobs, runtime.progress)
    if planned is not None:
        planned(plans, tuple(asked_configurations(request, plans)))
    again = request.fresh and Step.TRAIN.reached(request.until)
    with set_aside(changed_runs(request, jobs, runtime.progress) if again else ()):
        if Step.PREPROCESS.reached(request.until):
            _preprocess(request, plans, jobs, runtime)
        return _train(request, plans, jobs, runtime) if Step.TRAIN.reached(request.until) else RunResult()


def _train(request: RunRequest, plans: Plans, jobs: list[TrainingJob], runtime: Runtime) -> RunResult:
    """Train, validate, select, bundle and report, up to the last requested step; only these import PyTorch."""
    from nnplug.pipeline.finish import bundle_each, is_selected, report, select_best
    from nnplug.training.folds import FoldTraining, train_folds

    selecting = Step.BUNDLE.reached(request.until) and is_selected(request, jobs)
    training = FoldTraining(
        request.devices,
        request.mirroring,
        validating=Step.VALIDATE.reached(request.until),
        save_logits=selecting and len(asked_configurations(request, plans)) > 1,
    )
    scores = train_folds(jobs, training, runtime)
    if not Step.BUNDLE.reached(request.until):
        return RunResult(scores)
    made = select_best(request, jobs, runtime) if selecting else (bundle_each(request, jobs, runtime),)
    return report(request, jobs, RunResult(scores, *made), runtime)


def ensure_verified(request: RunRequest, runtime: Runtime) -> None:
    """Verify the dataset, unless the same files have passed before.

    Raises:
        Problems: the dataset has faults; a line each.
    """
    step = FinishedStep.of_verification(request.dataset, request.workspace)
    if step.is_kept():
        return
    report = verify(request.dataset, executor=runtime.executor, progress=runtime.progress)
    for line in report.warnings:
        runtime.progress.warning(line)
    for line in report.notices:
        runtime.progress.notice(line)
    if report.problems:
        raise Problems(report.problems)
    step.keep()


def ensure_fingerprint(request: RunRequest, runtime: Runtime) -> Fingerprint:
    """Return the fingerprint of the dataset, measured unless the same files were measured so before."""
    path, name = request.workspace.fingerprint, _extractor(request, runtime.plugins)
    options = request.plan.options.get("extractor")
    step = FinishedStep.of_measurement(request.dataset, request.workspace, name, options)
    if path.exists() and step.is_kept():
        return Fingerprint.read(path)
    return measure_into(request.workspace, request.dataset, name, options, runtime)


def _extractor(request: RunRequest, plugins: Plugins) -> str:
    chosen = request.plan.components.get(Kind.EXTRACTOR)
    return chosen or component_name(plugins.registry, Kind.EXTRACTOR, request.plan.recipe)


def _preprocess(request: RunRequest, plans: Plans, jobs: list[TrainingJob], runtime: Runtime) -> None:
    for name in dict.fromkeys(plans.store_name(job.configuration) for job in jobs):
        folder = request.workspace.preprocessed(plans.name, name)
        preprocess_dataset(request.dataset, plans, name, folder, runtime)
