"""The command `nnplug verify`: report every problem of a dataset, one line each."""

from __future__ import annotations

from pathlib import Path

import click

from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug_cli.choices import RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.next_step import print_next
from nnplug_cli.options import (
    dataset_argument,
    executor_option,
    json_option,
    runtime_options,
    set_option_of,
    workers_option,
)
from nnplug_cli.process import prepares_process
from nnplug_cli.render import print_json
from nnplug_cli.reports import print_report


@click.command(short_help="Report every problem of a dataset.")
@dataset_argument
@runtime_options(executor_option, set_option_of(Kind.EXECUTOR), workers_option)
@json_option
@click.pass_context
@prepares_process(Work.READ_IMAGES)
def command(ctx: click.Context, *, dataset: Path, runtime: RuntimeOptions, as_json: bool) -> None:
    """Report every problem of DATASET at once; exit code 1 if there are any.

    DATASET is a folder in nnU-Net's raw layout, or an id or name in nnUNet_raw.
    """
    from nnplug.dataset.dataset import Dataset
    from nnplug.preparation.verify import verify

    context: Context = ctx.obj
    made = context.case_runtime(runtime)
    report = verify(Dataset.open(dataset, context.readers), executor=made.executor, progress=made.progress)
    if as_json:
        print_json(report.data())
    else:
        print_report(report)
        if not report.problems:
            print_next("run", dataset)
    ctx.exit(1 if report.problems else 0)
