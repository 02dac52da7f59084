"""Run all steps from a dataset to a bundle. Each step skips finished work, so that a killed run resumes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nnplug.errors import Line, Problems
from nnplug.pipeline.jobs import asked_configurations, discard_changed, make_jobs, tell_pulled_in
from nnplug.pipeline.kept_plans import keep_earlier, kept_differences, with_earlier_options, with_new_normalization
from nnplug.pipeline.request import RunRequest, RunResult, Step
from nnplug.plans.differences import differences
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.overrides import PLAN
from nnplug.plans.plans import Plans, read_plans
from nnplug.preparation.finished_steps import FinishedStep
from nnplug.preparation.make_plans import make_plans, with_providers
from nnplug.preparation.measure import measure_into
from nnplug.preparation.plan_request import PlanRequest
from nnplug.preparation.planned import in_form_of
from nnplug.preparation.preprocess import preprocess_dataset
from nnplug.preparation.verify import verify
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.recipes import component_name
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.progress import Silent
from nnplug.training.extend import is_extension
from nnplug.training.job import TrainingJob
from nnplug.training.resumable import check_labels, check_unchanged


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
    tell_pulled_in(request, jobs, runtime.progress)
    if planned is not None:
        planned(plans, tuple(asked_configurations(request, plans)))
    if Step.PREPROCESS.reached(request.until):
        _preprocess(request, plans, jobs, runtime)
    if not Step.TRAIN.reached(request.until):
        return RunResult()
    return _train(request, plans, jobs, runtime)


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


def ensure_plans(request: RunRequest, fingerprint: Fingerprint, runtime: Runtime) -> Plans:
    """Return the plans, and write them if they are new or changed.

    Raises:
        NnplugError: requested folds started with other plans, and the request is not `fresh`.
    """
    plans = _make_plans(_of_any_configuration(request), fingerprint, runtime)
    path = request.workspace.plans(plans.name)
    earlier = read_plans(path) if path.exists() else None
    if earlier is not None:
        plans = in_form_of(_beside_earlier(plans, earlier, request, fingerprint, runtime), earlier, runtime.registry)
    for name in request.plan.configurations:
        plans.configuration(name)
    changed = [] if earlier is None else list(differences(earlier.decisions(), plans.decisions()))
    is_new = earlier is None or bool(changed)
    _check_begun(request, plans, runtime, is_new=is_new)
    if changed:
        runtime.progress.notice(
            f"plans {plans.name!r} change: {'; '.join(changed)}; what depends on them is done again"
        )
    if is_new:
        plans.write(path)
    return plans


def _of_any_configuration(request: RunRequest) -> RunRequest:
    """Return a request without configurations where these do not matter for planning.

    One may exist in earlier plans alone, because of options that are kept.
    """
    if PLAN in request.plan.options:
        return request
    return replace(request, plan=replace(request.plan, configurations=()))


def _beside_earlier(
    plans: Plans, earlier: Plans, request: RunRequest, fingerprint: Fingerprint, runtime: Runtime
) -> Plans:
    """Return the plans of a request with what is kept of earlier ones: all, or options alone if cases have changed."""
    silent = replace(runtime, progress=Silent())
    if not _is_newer(request.workspace.plans(plans.name), request.workspace.fingerprint):
        asked = with_earlier_options(earlier, plans, request.plan)
        return _make_plans(replace(request, plan=asked), fingerprint, silent)
    former = _of_former_channels(earlier, request, fingerprint, silent)
    return with_new_normalization(_kept(plans, earlier, request, fingerprint, runtime), former, plans)


def _check_begun(request: RunRequest, plans: Plans, runtime: Runtime, *, is_new: bool) -> None:
    """Discard requested folds that cannot go on if that is asked for; else raise `NnplugError` if one cannot.

    Unless the plans are new, labels alone are compared here; seed and cases are when the fold is trained.
    """
    jobs = make_jobs(request, plans, runtime.progress)
    if request.fresh:
        discard_changed(request, jobs, runtime.progress)
        return
    for job in jobs:
        check_labels(job)
        if is_new and not is_extension(job, runtime.plugins):
            check_unchanged(job)


def _is_newer(plans: Path, fingerprint: Path) -> bool:
    """Return whether there are plans that were made after the dataset was measured."""
    return plans.exists() and plans.stat().st_mtime_ns >= fingerprint.stat().st_mtime_ns


def _of_former_channels(
    earlier: Plans, request: RunRequest, fingerprint: Fingerprint, runtime: Runtime
) -> Plans | None:
    """Return the plans of a request with the channel names of earlier plans; None if they had the present names."""
    description = request.dataset.description
    if earlier.channel_names is None or earlier.channel_names == description.channel_names:
        return None
    if len(earlier.channel_names) != len(description.channel_names):
        return None  # the dataset is measured anew
    former = replace(request.dataset, description=replace(description, channel_names=earlier.channel_names))
    return _make_plans(_of_any_configuration(replace(request, dataset=former)), fingerprint, runtime)


def _kept(plans: Plans, earlier: Plans, request: RunRequest, fingerprint: Fingerprint, runtime: Runtime) -> Plans:
    """Return the plans with what earlier ones decide and the request does not; a notice has the differences."""

    def make(asked: PlanRequest) -> Plans:
        return _make_plans(replace(request, plan=asked), fingerprint, replace(runtime, progress=Silent()))

    alone = in_form_of(plans, earlier, runtime.registry)
    kept = keep_earlier(alone, earlier, request.plan, make, runtime.registry)
    if found := kept_differences(alone, in_form_of(kept, earlier, runtime.registry)):
        text = f"plans {plans.name!r} keep what was set before ({'; '.join(found)}); set it again to change it"
        runtime.progress.notice(Line(text, Action.PLAN_ANEW()))
    return with_providers(kept, runtime.registry)


def _make_plans(request: RunRequest, fingerprint: Fingerprint, runtime: Runtime) -> Plans:
    return make_plans(
        fingerprint,
        request.dataset.description,
        request.plan,
        dataset=request.dataset.name,
        plugins=runtime.plugins,
        progress=runtime.progress,
    )


def _preprocess(request: RunRequest, plans: Plans, jobs: list[TrainingJob], runtime: Runtime) -> None:
    for name in dict.fromkeys(plans.store_name(job.configuration) for job in jobs):
        folder = request.workspace.preprocessed(plans.name, name)
        preprocess_dataset(request.dataset, plans, name, folder, runtime)
