"""The command `nnplug model`: make, check and describe bundles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.errors import InvalidOptions
from nnplug_cli.context import Context
from nnplug_cli.memory import print_memories, report_memories
from nnplug_cli.networks import network_data, print_network
from nnplug_cli.next_step import print_model
from nnplug_cli.options import json_option, replace_option
from nnplug_cli.plugin_commands import ExtensibleGroup
from nnplug_cli.render import echo, print_json, print_table

if TYPE_CHECKING:
    from nnplug.models.bundle import Bundle

_path = click.Path(path_type=Path)
_weights = click.Choice(["final", "best"])


@click.group(cls=ExtensibleGroup, parent="model")
def command() -> None:
    """Export, import and show trained models."""


@command.command()
@click.argument("runs", nargs=-1, required=True, type=_path)
@click.option("-o", "--output", required=True, type=_path, help="A folder, or a file that ends in .zip.")
@click.option("--weights", type=_weights, default="final", show_default=True, help="The weights of each run.")
@click.option("--rule", type=_path, help="A postprocessing rule to include.")
@click.option("--licence", help="The licence of the model [default: that of dataset.json].")
@replace_option
def export(
    *, runs: tuple[Path, ...], output: Path, weights: Any, rule: Path | None, licence: str | None, replace: bool
) -> None:
    """Make a bundle of RUNS: run folders, or a folder of fold_* of one configuration; or a copy of one bundle."""
    from nnplug.models.bundle import write_bundle
    from nnplug.models.ensemble_bundle import is_bundle, repack
    from nnplug.runtime.json_files import read_json
    from nnplug.workspace.runs import find_runs

    if len(runs) == 1 and is_bundle(runs[0]):
        if rule is not None or licence is not None or weights != "final":
            raise InvalidOptions(f"{runs[0]}: a bundle keeps its weights, rule and licence. Export its runs instead.")
        repack(runs[0], output, replace=replace)
        print_model(output)
        return
    folders = [run.folder for path in runs for run in find_runs(path)]
    postprocessing = None if rule is None else read_json(rule)
    write_bundle(folders, output, weights=weights, postprocessing=postprocessing, licence=licence, replace=replace)
    print_model(output)


@command.command(name="import")
@click.argument("bundle", type=_path)
@click.option("-o", "--output", required=True, type=_path, help="The folder to unpack into.")
@replace_option
def import_(*, bundle: Path, output: Path, replace: bool) -> None:
    """Verify BUNDLE and unpack it to a folder."""
    from nnplug.models.ensemble_bundle import import_bundle

    if licence := import_bundle(bundle, output, replace=replace).record.licence:
        click.echo(f"licence: {licence}", err=True)
    print_model(output)


@command.command()
@click.argument("bundle", type=_path)
@click.option(
    "--requirements",
    "only_requirements",
    is_flag=True,
    help="Print the requirements for pip, one line per distribution.",
)
@json_option
def show(*, bundle: Path, only_requirements: bool, as_json: bool) -> None:
    """Verify BUNDLE, and print its contents and requirements."""
    from nnplug.models.ensemble_bundle import members_of, requirements, unpacked_any

    with unpacked_any(bundle) as opened:
        lines, members = requirements(opened), members_of(opened)
        if only_requirements:
            echo("\n".join(lines))
        elif as_json:
            models = [_data(member) for member in members]
            ensemble = {**opened.record.data(), "models": models} if len(members) > 1 else models[0]
            print_json({**ensemble, "postprocessing": opened.postprocessing, "requirements": lines})
        else:
            for member in members:
                _print_model(member)


@command.command()
@click.argument("model", type=_path)
@json_option
@click.pass_obj
def summary(context: Context, *, model: Path, as_json: bool) -> None:
    """Show the network of MODEL, a run or bundle: stages, shapes, parameters, memory of feature maps and on a GPU."""
    from nnplug.models.model_components import architecture_of
    from nnplug.models.open import open_member
    from nnplug.preparation.network_summary import summarize
    from nnplug.profiling.memory.report import member_memory, memory_data
    from nnplug.registry.components import Kind, Registry

    opened = open_member(model)
    own = architecture_of(opened, context.plugins)
    network = summarize(opened.plans, opened.configuration, opened.description, own)
    others = [entry for entry in context.plugins.registry if entry.kind is not Kind.ARCHITECTURE]
    memory = member_memory(opened, Registry([*own, *others]))
    if as_json:
        print_json({**network_data(network), "memory": memory_data(memory)})
        report_memories([memory], context.progress)
    else:
        print_network(network)
        print_memories([memory], context.progress)


def _data(bundle: Bundle) -> dict[str, Any]:
    record, *previous = [stage.record.data() for stage in bundle.stages]
    data = {**record, "dataset": bundle.plans.dataset}
    return {**data, "previous_stages": previous} if previous else data


def _print_model(bundle: Bundle) -> None:
    record, *previous = [stage.record for stage in bundle.stages]
    rows = [
        ("dataset", bundle.plans.dataset),
        ("configuration", record.configuration),
        ("folds", ", ".join(record.folds)),
        *(("refines", f"{r.configuration}, folds {', '.join(r.folds)}") for r in previous),
        ("weights", record.weights),
        ("licence", record.licence or "none given"),
        ("mirrored axes", ", ".join(map(str, record.mirror_axes)) or "none"),
        *((str(p.kind), f"{p.name} ({p.distribution} {p.version})") for p in record.providers),
    ]
    print_table(("model", ""), rows)
