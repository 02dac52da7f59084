"""Printing of the expected times of trainings."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nnplug.words import by_axis
from nnplug_cli.memory import gigabytes
from nnplug_cli.progress.pace import duration
from nnplug_cli.render import echo, echo_message, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from nnplug.dataset.description import DatasetDescription
    from nnplug.plans.plans import Plans
    from nnplug.profiling.duration.report import ConfigurationDuration
    from nnplug.runtime.progress import Progress
    from nnplug_cli.context import Context

WHOLE, LEAST = 50.0, 20.0
"""Seconds to import PyTorch and to measure all configurations, so that the command takes less than a minute; and to
measure at least, however long the import took."""
LOAD = 0.2
"""Cores; less is what any system does beside."""


def measure_durations(
    context: Context, plans: Plans, description: DatasetDescription, folds: Mapping[str, int], device: str
) -> list[ConfigurationDuration]:
    """Return the expected times of the training of configurations, measured on this machine.

    Args:
        context: the call of the command.
        plans: the plans.
        description: the content of `dataset.json`.
        folds: name -> number of folds, for the configurations to measure; nothing is imported for none.
        device: the device, as in `--device`.
    """
    if not folds:
        return []
    begun = time.monotonic()
    from nnplug.profiling.duration.report import plans_durations  # imports PyTorch
    from nnplug.runtime.executor import LocalExecutor

    runtime = context.runtime_with(LocalExecutor(), device=device)
    with reporting_load(context.progress):
        return plans_durations(plans, description, runtime, folds=folds, budget=budget_after(time.monotonic() - begun))


def budget_after(seconds: float) -> float:
    """Return the seconds to measure all configurations, after an import of PyTorch that took `seconds`."""
    return max(LEAST, WHOLE - seconds)


@contextmanager
def reporting_load(progress: Progress) -> Iterator[None]:
    """Tell after the block by a notice that other programs computed, so that the training will be faster alone."""
    from nnplug.runtime.executor import available_cores
    from nnplug.runtime.machine import OtherPrograms

    others = OtherPrograms.from_now()
    yield
    if (used := others.cores()) > LOAD:
        cores = available_cores()
        progress.notice(f"other programs used {used:.1f} of {cores} cores meanwhile: alone, a training is faster")


def print_durations(
    durations: Sequence[ConfigurationDuration], progress: Progress, memories: Mapping[str, float | None] | None = None
) -> None:
    """Print a row per configuration, the time of all, and how to shorten it; notices tell what is not known.

    Args:
        durations: the time of each configuration.
        progress: receives the notices.
        memories: the GB of a training step of each configuration, for one more column.
    """
    columns: tuple[str, ...] = (
        "configuration",
        "device",
        "s per iteration",
        "iterations",
        "one fold",
        "folds",
        "all folds",
    )
    rows = [_row(one) for one in durations]
    if memories is not None:
        columns = (*columns, "training step (GB)")
        rows = [(*row, gigabytes(memories[one.configuration])) for row, one in zip(rows, durations, strict=True)]
    print_table(columns, rows)
    if len(durations) > 1 and (total := known_seconds(durations)) is not None:
        echo(f"all configurations, one fold after another: {duration(total)}")
    if words := shorter_words(durations):
        echo(f"a tenth of the time: {words}")
    echo_message("not in it: preprocessing, slow disks, what torch.compile saves, the scores of whole cases at the end")
    report_durations(durations, progress)


def report_durations(durations: Sequence[ConfigurationDuration], progress: Progress) -> None:
    """Tell by notices what is not known, and what is roughly measured."""
    for one in durations:
        if one.unknown:
            progress.notice(f"{one.configuration}: the time of a training is not known: {one.unknown}")
        elif one.is_scaled:
            patch = by_axis(one.patch_size)
            progress.notice(
                f"{one.configuration}: roughly measured, with {one.batch_size} patches of {patch}; the time of other "
                "batches is in proportion to the voxels"
            )
        elif not one.is_complete:
            progress.notice(f"{one.configuration}: roughly measured, by a few iterations without a validation")


def durations_data(durations: Sequence[ConfigurationDuration]) -> dict[str, Any]:
    """Return the times as JSON; nothing if they were not measured."""
    return {"estimate": [one.data() for one in durations]} if durations else {}


def known_seconds(durations: Sequence[ConfigurationDuration]) -> float | None:
    """Return the seconds of all trainings, one after another; None if one is not known."""
    found = [one.seconds for one in durations if one.seconds is not None]
    return sum(found) if len(found) == len(durations) else None


def shorter_words(durations: Sequence[ConfigurationDuration]) -> str:
    """Return the options that shorten every training to a tenth, such as "--set trainer.epochs=100"; empty if none."""
    options = {one.shorter for one in durations}
    if len(options) != 1:
        return ""
    return " ".join(f"--set trainer.{name}={value}" for name, value in options.pop())


def about(seconds: float | None, *, is_rough: bool) -> str:
    """Return a duration in words; "~" marks one that is roughly measured."""
    if seconds is None:
        return "not known"
    return f"{'~' if is_rough else ''}{duration(seconds)}"


def _row(one: ConfigurationDuration) -> tuple[str, ...]:
    iteration = one.seconds_per_iteration
    return (
        one.configuration,
        one.device,
        "not known" if iteration is None else f"{iteration:.3g}",
        "not known" if one.iterations is None else str(one.iterations),
        about(one.fold_seconds, is_rough=one.is_scaled or not one.is_complete),
        str(one.folds),
        about(one.seconds, is_rough=one.is_scaled or not one.is_complete),
    )
