"""Make the plans of a run, keep what earlier plans decide, and check that folds which have begun can go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nnplug.errors import Line
from nnplug.pipeline.jobs import make_jobs
from nnplug.pipeline.kept_plans import keep_earlier, kept_differences, with_earlier_options, with_new_normalization
from nnplug.pipeline.request import RunRequest
from nnplug.plans.differences import differences
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Plans, read_plans
from nnplug.preparation.make_plans import make_plans, with_providers
from nnplug.preparation.plan_request import PlanRequest
from nnplug.preparation.planned import in_form_of
from nnplug.registry.components import PLAN_WORD
from nnplug.registry.runtime import Runtime
from nnplug.remedies import Action
from nnplug.runtime.progress import Silent
from nnplug.training.extend import is_extension
from nnplug.training.resumable import check_labels, check_unchanged


def ensure_plans(request: RunRequest, fingerprint: Fingerprint, runtime: Runtime) -> Plans:
    """Return the plans, and write them if they are new or changed.

    Raises:
        NnplugError: requested folds started with other plans, and the request is not `fresh`.
    """
    plans = _make_plans(_without_configurations(request), fingerprint, runtime)
    path = request.workspace.plans(plans.name)
    earlier = read_plans(path) if path.exists() else None
    if earlier is not None:
        plans = in_form_of(_merge_earlier(plans, earlier, request, fingerprint, runtime), earlier, runtime.registry)
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


def _without_configurations(request: RunRequest) -> RunRequest:
    """Return a request without configurations where these do not matter for planning.

    A configuration may exist only in the earlier plans, because of options that are kept.
    """
    if PLAN_WORD in request.plan.options:
        return request
    return replace(request, plan=replace(request.plan, configurations=()))


def _merge_earlier(
    plans: Plans, earlier: Plans, request: RunRequest, fingerprint: Fingerprint, runtime: Runtime
) -> Plans:
    """Return the plans of a request with what is kept of earlier ones: all, or options alone if cases have changed."""
    silent = replace(runtime, progress=Silent())
    if not _is_newer(request.workspace.plans(plans.name), request.workspace.fingerprint):
        asked = with_earlier_options(earlier, plans, request.plan)
        return _make_plans(replace(request, plan=asked), fingerprint, silent)
    former = _planned_with_former_channels(earlier, request, fingerprint, silent)
    return with_new_normalization(_keep_and_report(plans, earlier, request, fingerprint, runtime), former, plans)


def _check_begun(request: RunRequest, plans: Plans, runtime: Runtime, *, is_new: bool) -> None:
    """Raise `NnplugError` if a requested fold cannot go on, unless such folds are trained again.

    Unless the plans are new, labels alone are compared here; seed and cases are compared when the fold is trained.
    """
    for job in () if request.fresh else make_jobs(request, plans, runtime.progress):
        check_labels(job)
        if is_new and not is_extension(job, runtime.plugins):
            check_unchanged(job)


def _is_newer(plans: Path, fingerprint: Path) -> bool:
    """Return whether there are plans that were made after the dataset was measured."""
    return plans.exists() and plans.stat().st_mtime_ns >= fingerprint.stat().st_mtime_ns


def _planned_with_former_channels(
    earlier: Plans, request: RunRequest, fingerprint: Fingerprint, runtime: Runtime
) -> Plans | None:
    """Return the plans of a request with the channel names of earlier plans; None if they had the present names."""
    description = request.dataset.description
    if earlier.channel_names is None or earlier.channel_names == description.channel_names:
        return None
    if len(earlier.channel_names) != len(description.channel_names):
        return None  # the dataset is measured anew
    former = replace(request.dataset, description=replace(description, channel_names=earlier.channel_names))
    return _make_plans(_without_configurations(replace(request, dataset=former)), fingerprint, runtime)


def _keep_and_report(
    plans: Plans, earlier: Plans, request: RunRequest, fingerprint: Fingerprint, runtime: Runtime
) -> Plans:
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
