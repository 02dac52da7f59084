"""The command `nnplug bench RUN`: measure the parts of a training iteration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnplug.errors import worded
from nnplug.runtime.process import Work
from nnplug.words import by_axis
from nnplug_cli.choices import RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.options import device_option, json_option, runtime_options, set_option, workers_option
from nnplug_cli.process import prepares_process
from nnplug_cli.remedies import REMEDIES
from nnplug_cli.render import echo, echo_message, print_json, print_table

if TYPE_CHECKING:
    from nnplug.profiling.report import EpochProfile


@click.command(short_help="Measure the parts of a training iteration.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--iterations", type=click.IntRange(min=1), default=20, show_default=True, help="Iterations to measure.")
@runtime_options(set_option, device_option, workers_option)
@json_option
@click.pass_obj
@prepares_process(Work.COMPUTE)
def command(context: Context, *, run: Path, iterations: int, runtime: RuntimeOptions, as_json: bool) -> None:
    """Measure the parts of an iteration of RUN: wait, transfer, augment on a GPU, forward, loss, backward, optimise.

    The threads' loading and augmentation are shown too, and the time of an epoch.

    RUN is a run's folder in its workspace (WORKSPACE/DATASET/runs/PLANS/CONFIGURATION/fold_K), finished or not. A few
    iterations are trained from the start in a temporary folder; the run does not change.
    """
    from nnplug.profiling.profile_run import profile_run

    profile = profile_run(run, context.runtime(runtime), iterations=iterations, options=runtime.overrides)
    verdict = worded(profile.verdict, REMEDIES)
    print_json({**profile.data(), "verdict": verdict}) if as_json else _print(profile, verdict)


def _print(profile: EpochProfile, verdict: str) -> None:
    parts = profile.parts
    rows = [(name, f"{1000 * s:.1f}", f"{s / parts.total:.1%}") for name, s in parts.data().items()]
    print_table(("part", "ms", "share"), [*rows, ("iteration", f"{1000 * parts.total:.1f}", "")])
    shape = by_axis(profile.batch)
    echo(f"mean of {profile.iterations} iterations on {profile.device}, batch {shape}")
    busy = f"load {1000 * profile.load:.1f} ms, augment {1000 * profile.augment:.1f} ms per batch"
    echo(f"beside it {profile.workers} threads: {busy}, summed over the threads")
    if profile.validation is not None:
        echo(f"validation: {1000 * profile.validation:.1f} ms per batch")
    echo(f"epoch: about {profile.epoch:.1f} s")
    echo_message(verdict)
