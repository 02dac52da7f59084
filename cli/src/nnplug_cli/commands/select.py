"""The command `nnplug select DATASET`: select the best configuration or ensemble as a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from nnplug.registry.components import Kind
from nnplug.runtime.process import Work
from nnplug_cli.choices import FoldSelection, RuntimeOptions
from nnplug_cli.context import Context
from nnplug_cli.names import PlansName
from nnplug_cli.next_step import print_model
from nnplug_cli.options import (
    dataset_argument,
    device_option,
    executor_option,
    gathered,
    json_option,
    replace_option,
    runtime_options,
    selection_options,
    set_option_of,
    workers_option,
    workspace_option,
)
from nnplug_cli.process import prepares_process
from nnplug_cli.render import print_json
from nnplug_cli.scores import print_selection

if TYPE_CHECKING:
    from nnplug.steps.scoring import Comparison


@dataclass(frozen=True)
class _Comparison:
    """The configurations to compare, and the outputs."""

    plans: tuple[str, ...]
    weights: Literal["final", "best"]
    metric: str | None
    no_ensembles: bool
    keep_logits: bool
    output: Path | None
    replace: bool


_comparison_options = gathered(
    "comparison",
    _Comparison,
    click.option(
        "--name",
        "plans",
        type=PlansName(),
        multiple=True,
        help="Name of plans; repeatable [default: those of the default recipe].",
    ),
    click.option(
        "--weights",
        type=click.Choice(["final", "best"]),
        default="final",
        show_default=True,
        help="The weights of each training.",
    ),
    click.option(
        "--metric",
        metavar="METRIC[.FIGURE]",
        help="The figure that decides, such as surface.NSD [default: the mean foreground Dice].",
    ),
    click.option("--no-ensembles", is_flag=True, help="Compare single configurations only."),
    click.option("--keep-logits", is_flag=True, help="Keep probabilities that are computed again."),
    click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        help="The bundle, a folder or a file that ends in .zip [default: model/selected in the workspace].",
    ),
    replace_option,
)


@click.command(short_help="Choose the best configuration or ensemble.")
@dataset_argument
@workspace_option
@selection_options
@_comparison_options
@runtime_options(device_option, executor_option, set_option_of(Kind.EXECUTOR), workers_option)
@json_option
@click.pass_obj
@prepares_process(Work.READ_IMAGES)
def command(
    context: Context,
    *,
    dataset: Path,
    workspace: Path | None,
    selection: FoldSelection,
    comparison: _Comparison,
    runtime: RuntimeOptions,
    as_json: bool,
) -> None:
    """Compare the cross-validated configurations of DATASET and all ensembles of two by their mean foreground Dice.

    --metric compares by another figure. Postprocessing is fitted on the winner, by the same figure, and one bundle
    holds the winner and its postprocessing. Without -c all configurations whose folds are all trained are compared. The
    interval of a difference is a bootstrap over cases, at 95 %.
    """
    from nnplug.selection.select import select
    from nnplug.steps.dataset_in_workspace import DatasetInWorkspace
    from nnplug.steps.scoring import select_request

    compared = _compared(selection, comparison)
    place = DatasetInWorkspace.open(dataset, context.workspace_root(workspace), context.readers)
    made = context.case_runtime(runtime)
    result = select(select_request(place, compared, made), made)
    if as_json:
        print_json(result.data())
    else:
        print_selection(place.dataset.description.labels, result)
        print_model(result.bundle)


def _compared(selection: FoldSelection, comparison: _Comparison) -> Comparison:
    """Return the choices of the command's options.

    Raises:
        click.UsageError: fold "all" is given.
    """
    from nnplug.steps.scoring import Comparison

    if "all" in selection.folds:
        raise click.UsageError("fold 'all' is no part of a cross-validation: it is validated on its training cases")
    return Comparison(
        folds=selection,
        plans=comparison.plans,
        weights=comparison.weights,
        metric=comparison.metric,
        ensembles=not comparison.no_ensembles,
        keep_logits=comparison.keep_logits,
        output=comparison.output,
        replace=comparison.replace,
    )
