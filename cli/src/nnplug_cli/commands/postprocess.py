"""The command `nnplug postprocess`: fit rules on validation predictions, and apply them to label maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug_cli.choices import Compared
from nnplug_cli.context import Context
from nnplug_cli.names import ComponentName
from nnplug_cli.next_step import print_command, print_made, print_predictions
from nnplug_cli.options import compared_options, gathered, json_option, replace_option, set_option_of, workers_option
from nnplug_cli.plugin_commands import ExtensibleGroup
from nnplug_cli.process import prepares_process
from nnplug_cli.render import echo, print_json

_path = click.Path(path_type=Path)


@dataclass(frozen=True)
class _Fitting:
    """The postprocessor, and the figure that its rule makes best."""

    postprocessor: str | None
    metric: str | None


_fitting_options = gathered(
    "fitting",
    _Fitting,
    click.option(
        "--postprocessor",
        type=ComponentName(Kind.POSTPROCESSOR),
        help="The postprocessor [default: the default recipe's].",
    ),
    click.option(
        "--metric",
        metavar="METRIC[.FIGURE]",
        help="The figure that the rule makes best, such as surface.HD95 [default: the postprocessor's own].",
    ),
)


@click.group(cls=ExtensibleGroup, parent="postprocess")
def command() -> None:
    """Fit a postprocessing rule, or apply one."""


@command.command()
@compared_options(click.option("--dataset-json", required=True, type=_path, help="Labels, regions and ignore label."))
@click.option("-o", "--output", required=True, type=_path, help="The rule, a JSON file.")
@_fitting_options
@replace_option
@set_option_of(Kind.POSTPROCESSOR)
@workers_option
@json_option
@click.pass_obj
@prepares_process(Work.READ_IMAGES)
def fit(
    context: Context,
    *,
    compared: Compared,
    output: Path,
    fitting: _Fitting,
    replace: bool,
    overrides: dict[str, dict[str, Any]],
    workers: int | None,
    as_json: bool,
) -> None:
    """Fit a rule on validation predictions, preferably those of a whole cross-validation."""
    from nnplug.dataset.description import DatasetDescription
    from nnplug.dataset.sidecars import images_in
    from nnplug.evaluation import postprocess
    from nnplug.plans.plans import Choice
    from nnplug.registry.recipes import component_name
    from nnplug.runtime.executor import LocalExecutor
    from nnplug.runtime.outputs import Outputs
    from nnplug.selection.ranking import Ranking

    assert compared.dataset_json is not None, "the option is required"
    read = (
        *images_in(compared.references, context.readers),
        *images_in(compared.predictions, context.readers),
        compared.dataset_json,
    )
    outputs = Outputs((output,), read)
    outputs.check(replace=replace)
    name = fitting.postprocessor or component_name(context.plugins.registry, Kind.POSTPROCESSOR)
    record = postprocess.fit(
        compared.references,
        compared.predictions,
        DatasetDescription.read(compared.dataset_json),
        context.runtime_with(LocalExecutor(workers)),
        choice=Choice(name=name, options=overrides.get(Kind.POSTPROCESSOR, {})),
        figure=None if fitting.metric is None else Ranking.of(fitting.metric, context.plugins.registry),
    )
    outputs.claim(replace=replace)
    record.write(output)
    if as_json:
        print_json(record.data())
    else:
        echo(f"postprocessing: {name} {record.rule}")
        print_made("rule", output)
        print_command("postprocess", "apply", "-i", "PREDICTIONS", "-o", "OUTPUT", "--rule", output)


@command.command()
@click.option("-i", "--input", "folder", required=True, type=_path, help="A folder of label maps.")
@click.option("-o", "--output", required=True, type=_path, help="Folder for the results, under the same names.")
@click.option("--rule", required=True, type=_path, help="A rule that `fit` wrote.")
@replace_option
@workers_option
@click.pass_obj
@prepares_process(Work.READ_IMAGES)
def apply(context: Context, *, folder: Path, output: Path, rule: Path, replace: bool, workers: int | None) -> None:
    """Apply a fitted rule to a folder of label maps."""
    from nnplug.evaluation import postprocess
    from nnplug.evaluation.pairs import folder_readers
    from nnplug.runtime.executor import LocalExecutor
    from nnplug.runtime.json_files import read_json

    fitted = postprocess.FittedRule.load(read_json(rule), context.plugins, where=str(rule), progress=context.progress)
    postprocess.apply(
        folder,
        output,
        fitted,
        inputs=[rule],
        readers=folder_readers(folder, context.readers),
        replace=replace,
        executor=LocalExecutor(workers),
        progress=context.progress,
    )
    print_predictions(output)
