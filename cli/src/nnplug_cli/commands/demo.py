"""The command `nnplug demo`: run the whole pipeline on phantom data."""

from __future__ import annotations

from pathlib import Path

import click

from nnplug.runtime.process import Work
from nnplug_cli.choices import RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.options import device_option, json_option, replace_option, runtime_options, set_option, workers_option
from nnplug_cli.process import prepares_process
from nnplug_cli.render import echo, print_json
from nnplug_cli.scores import print_scores


@click.command(short_help="Run the whole pipeline on phantom data.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("nnplug-demo"),
    show_default=True,
    help="Output folder.",
)
@replace_option
@runtime_options(set_option, device_option, workers_option)
@json_option
@click.pass_obj
@prepares_process(Work.COMPUTE)
def command(context: Context, *, output: Path, replace: bool, runtime: RuntimeOptions, as_json: bool) -> None:
    """Make phantom images, train on them, then predict, score and draw unseen ones; it takes minutes on a CPU."""
    from nnplug_cli.demo import demo

    result = demo(output, context.runtime(runtime), options=runtime.overrides, replace=replace)
    if as_json:
        print_json({"foreground_mean": result.summary["foreground_mean"], "picture": str(result.picture)})
        return
    print_scores(result.dataset.description.labels, {"images never seen in training": result.summary})
    echo(f"picture:     {result.picture}")
    echo(f"predictions: {result.predictions}")
    echo("\nYour own data, in nnU-Net's raw layout:")
    echo("  nnplug run DatasetXXX_NAME -w WORKSPACE")
    model = f"WORKSPACE/DatasetXXX_NAME/model/PLANS_{result.configuration}"
    echo(f"  nnplug predict -i IMAGES -o PREDICTIONS -m {model}")
