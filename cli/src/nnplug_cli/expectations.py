"""The time and memory that a run expects of its trainings, before they begin."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nnplug_cli.durations import print_durations, reporting_load
from nnplug_cli.render import echo, echo_message

if TYPE_CHECKING:
    from nnplug.pipeline.request import RunRequest
    from nnplug.plans.plans import Plans
    from nnplug.registry.runtime import Runtime

BUDGET = 12.0
"""Seconds to measure all configurations; a run of hours must not begin much later."""
SHORTEST = 1000
"""Iterations; shorter trainings begin at once."""


def print_expectations(request: RunRequest, plans: Plans, runtime: Runtime, *, here: bool) -> None:
    """Print the expected time and memory of the trainings of a run; nothing if they are finished or short.

    Args:
        request: the request of the run.
        plans: its plans.
        runtime: the plugins and the device.
        here: whether this machine trains; another one cannot be measured from here.
    """
    folds = _folds_to_train(request, plans)
    if folds and not here:
        echo_message("the time of a training: run nnplug plan with --estimate on a machine that trains")
        echo()
    if not folds or not here:
        return
    from nnplug.profiling.duration.report import plans_durations
    from nnplug.profiling.memory.report import training_gigabytes

    description, device = request.dataset.description, runtime.torch_device()
    with reporting_load(runtime.progress):
        found = plans_durations(plans, description, runtime, folds=folds, budget=BUDGET, shortest=SHORTEST)
    long = [one for one in found if one.unknown or one.iterations is None or one.iterations >= SHORTEST]
    if not long:
        return
    memories = {
        one.configuration: training_gigabytes(plans, one.configuration, description, runtime.registry, device)
        for one in long
    }
    print_durations(long, runtime.progress, memories)
    echo()


def _folds_to_train(request: RunRequest, plans: Plans) -> dict[str, int]:
    """Return configuration -> number of its folds that are not finished, with those that a cascade needs."""
    from nnplug.pipeline.jobs import make_jobs
    from nnplug.runtime.progress import Silent

    jobs = make_jobs(request, plans, Silent())
    return dict(Counter(job.configuration for job in jobs if not job.run.is_finished))
