"""The command `nnplug plan-nnssl`."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nnplug.errors import NnplugError

if TYPE_CHECKING:
    from nnplug.dataset.dataset import Dataset
    from nnplug.plans.plans import Plans
    from nnplug.registry.command_context import CommandContext
    from nnplug.workspace.layout import Workspace
    from nnplug_nnssl.checkpoint import Pretraining
    from nnplug_nnssl.finetuning import Optimizer
    from nnplug_nnssl.planning import FineTuning, SpacingRule

_path = click.Path(path_type=Path)
_RULES = ("pretrained", "dataset", "none")


@dataclass(frozen=True, kw_only=True)
class _Options:
    """The options of the command, with their names."""

    name: str
    keep: str | None
    spacing: str
    patch_size: tuple[int, int, int] | None
    optimizer: Optimizer | None
    decoder: bool
    from_scratch: bool
    output: Path | None
    assignments: tuple[str, ...]


@click.command(short_help="Plan a training that starts from a checkpoint of nnssl.")
@click.argument("dataset", type=_path)
@click.argument("checkpoint")
@click.option(
    "-w",
    "--workspace",
    type=_path,
    envvar="NNPLUG_WORKSPACE",
    default=Path("nnplug-work"),
    show_default=True,
    help="Folder of plans, prepared cases and runs; also NNPLUG_WORKSPACE.",
)
@click.option("--name", default="nnssl", show_default=True, help="Name of the new plans.")
@click.option("--keep", metavar="PLANS", help="Keep network, patch and spacing of these plans of the dataset.")
@click.option(
    "--spacing",
    default="pretrained",
    show_default=True,
    metavar="pretrained|dataset|none|Z,Y,X",
    help="Spacing of the pre-training, nnU-Net's for the dataset, no resampling, or mm.",
)
@click.option("--patch-size", nargs=3, type=click.IntRange(min=1), help="Patch instead of the recommended one, voxels.")
@click.option(
    "--optimizer", type=click.Choice(["sgd", "adamw"]), help="Optimiser [default: sgd for U-Nets, adamw for Primus]."
)
@click.option("--decoder", is_flag=True, help="Take the weights of the decoder too, where they fit.")
@click.option("--from-scratch", is_flag=True, help="The same plans for random weights, to compare with; no start.")
@click.option("-o", "--output", type=_path, metavar="START", help="The start weights [default: in the workspace].")
@click.option("--set", "assignments", multiple=True, metavar="KIND.KEY=VALUE", help="Set an option, as in nnplug plan.")
@click.pass_obj
def plan_nnssl(context: CommandContext, /, *, dataset: Path, checkpoint: str, workspace: Path, **options: Any) -> None:
    """Plan DATASET for a CHECKPOINT of nnssl (a .pth file or hf:OWNER/NAME), and write the start of its training.

    Network, patch and spacing are those of the pre-training; every channel is normalised by its z-score. The encoder
    starts with the weights of the checkpoint, the decoder at random.
    """
    from nnplug.dataset.dataset import Dataset
    from nnplug.io.readers import Readers
    from nnplug.workspace.layout import Workspace
    from nnplug_nnssl.checkpoint import read_pretraining
    from nnplug_nnssl.fetch import local_checkpoint
    from nnplug_nnssl.planning import CONFIGURATION
    from nnplug_nnssl.start import Loading, write_start

    given = _Options(**options)
    opened = Dataset.open(dataset, Readers.of(context.plugins.registry))
    space = Workspace(workspace.absolute(), opened.name)
    pretraining = read_pretraining(local_checkpoint(checkpoint))
    plans = _plans(context, pretraining, opened, space, given)
    target = given.output or space.start(plans.name)
    if not given.from_scratch:
        write_start(
            target,
            pretraining,
            plans,
            CONFIGURATION,
            opened.description,
            loading=Loading(exact=given.keep is None, decoder=given.decoder),
            registry=context.plugins.registry,
            progress=context.progress,
        )
    plans.write(space.plans(plans.name))
    click.echo(f"plans: {space.plans(plans.name)}")
    if not given.from_scratch:
        click.echo(f"start: {target}")
    common = [str(dataset), "-w", str(workspace), "--name", plans.name]
    start = [] if given.from_scratch else ["--pretrained", str(target)]
    click.echo(f"next: {shlex.join(['nnplug', 'preprocess', *common])}")
    click.echo(f"then: {shlex.join(['nnplug', 'train', *common, *start])}")


def _plans(
    context: CommandContext, pretraining: Pretraining, dataset: Dataset, space: Workspace, given: _Options
) -> Plans:
    from nnplug.plans.fingerprint import Fingerprint
    from nnplug.plans.plans import read_plans
    from nnplug.remedies import Action
    from nnplug_nnssl.planning import plan_like_dataset, plan_like_pretraining

    choices = _choices(given)
    if given.keep is not None:
        if not space.plans(given.keep).is_file():
            raise NnplugError(f"{space.plans(given.keep)}: no such plans", Action.PLAN())
        if given.spacing != "pretrained" or given.patch_size:
            raise click.UsageError("--keep keeps spacing and patch; do not give --spacing or --patch-size with it")
        return plan_like_dataset(read_plans(space.plans(given.keep)), choices, plugins=context.plugins)
    if not space.fingerprint.is_file():
        raise NnplugError(f"{space.fingerprint}: no such fingerprint", Action.MEASURE())
    return plan_like_pretraining(
        pretraining,
        Fingerprint.read(space.fingerprint),
        dataset.description,
        choices,
        dataset=dataset.name,
        plugins=context.plugins,
        progress=context.progress,
    )


def _choices(given: _Options) -> FineTuning:
    from nnplug.plans.overrides import parse
    from nnplug_nnssl.planning import FineTuning

    return FineTuning(
        name=given.name,
        spacing=_spacing(given.spacing),
        patch_size=given.patch_size or None,
        optimizer=given.optimizer,
        from_scratch=given.from_scratch,
        options=parse(given.assignments),
    )


def _spacing(text: str) -> SpacingRule | tuple[float, float, float]:
    if text in _RULES:
        return text  # type: ignore[return-value] # one of the rules
    numbers = [part for part in re.split(r"[,\s]+", text.strip("[]() ")) if part]
    try:
        z, y, x = (float(number) for number in numbers)
    except ValueError as error:
        raise click.UsageError(f"--spacing {text!r}: give {', '.join(_RULES)}, or three numbers Z,Y,X in mm") from error
    if not min(z, y, x) > 0:
        raise click.UsageError(f"--spacing {text!r}: mm are above 0")
    return z, y, x
