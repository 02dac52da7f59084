"""Options that several commands share, each a decorator.

| decorator | the command gets |
|---|---|
| `dataset_argument` | `dataset: Path`, an id or name being looked up in nnUNet_raw |
| `workspace_option` | `workspace: Path or None`, for `Context.workspace_root` |
| `json_option` | `as_json: bool` |
| `set_option` | `overrides: dict[str, dict[str, Any]]`, see `nnplug.plans.overrides` |
| `set_option_of(KIND, ..)` | the same, other kinds being refused |
| `executor_option` | `executor: str`, for `Context.make_executor` |
| `component_options` | `choices: Choices` |
| `configuration_option` | `configurations: tuple[str, ...]`, empty for all |
| `fold_option` | `folds: tuple[int or "all", ...]`, empty for all folds |
| `device_option` | `device: str` |
| `devices_option` | `devices: int` |
| `seed_option` | `seed: int` |
| `workers_option` | `workers: int or None`, None for one per core |
| `replace_option` | `replace: bool`, see `nnplug.runtime.outputs` |
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from nnplug.plans.overrides import parse
from nnplug.registry.components import Kind
from nnplug_cli.render import json_alone

Command = TypeVar("Command", bound=Callable[..., Any])

PLAN_KINDS = (Kind.EXTRACTOR, Kind.PLANNER, Kind.ARCHITECTURE, Kind.AUGMENTER, Kind.TRAINER, Kind.POSTPROCESSOR)
"""The kinds that are chosen by name once per plan; normalizers are chosen by the planner, per channel."""


@dataclass(frozen=True)
class Choices:
    """What users choose when planning; None and absent kinds leave the decision to recipe and planner.

    Attributes:
        recipe: a recipe's name.
        components: kind -> component's name, for those that were named.
        memory_gb: target of GPU memory, in GB.
        name: what the plans are called.
    """

    recipe: str | None
    components: Mapping[Kind, str]
    memory_gb: float | None
    name: str | None


def component_options(command: Command) -> Command:
    """`--recipe`, an option per kind, `--memory-gb` and `--name`, as one `choices`."""

    @functools.wraps(command)
    def packed(*args: Any, recipe: str | None, memory_gb: float | None, plans_name: str | None, **others: Any) -> Any:
        named = {kind: others.pop(kind.value) for kind in PLAN_KINDS}
        components = {kind: name for kind, name in named.items() if name is not None}
        return command(*args, choices=Choices(recipe, components, memory_gb, plans_name), **others)

    decorators = [
        click.option("--recipe", metavar="NAME", help="A plugin's choice of all components [default: nnunet]."),
        *(
            click.option(f"--{kind}", metavar="NAME", help=f"The {kind}, instead of the recipe's.")
            for kind in PLAN_KINDS
        ),
        click.option("--memory-gb", type=click.FloatRange(min=0, min_open=True), help="GPU memory to plan for."),
        click.option(
            "--name", "plans_name", metavar="NAME", help="What to call the plans [default: the planner's name]."
        ),
    ]
    return _apply(packed, decorators)  # type: ignore[return-value] # the same command with packed options


def _apply(command: Callable[..., Any], decorators: list[Callable[..., Any]]) -> Callable[..., Any]:
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def dataset_folder(reference: str) -> Path:
    """The folder that a path names, or an id or name in nnUNet_raw; raises as `nnplug.dataset.dataset.find_dataset`."""
    from nnplug.dataset.dataset import find_dataset

    raw = os.environ.get("nnUNet_raw")  # noqa: SIM112 - nnU-Net's own spelling
    return find_dataset(reference, Path(raw) if raw else None)


def _dataset(ctx: click.Context, param: click.Parameter, value: str) -> Path:  # noqa: ARG001 - click's signature
    return dataset_folder(value).absolute()  # jobs on a cluster run in other folders


def _overrides(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, dict[str, Any]]:  # noqa: ARG001
    return parse(values)


def set_option_of(*kinds: Kind) -> Callable[[Command], Command]:
    """`--set` for a command that has a use for options of some kinds only."""

    def read(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        found = _overrides(ctx, param, values)
        if unused := sorted(set(found) - {str(kind) for kind in kinds}):
            taken = " and ".join(f"{kind}.KEY=VALUE" for kind in kinds)
            raise click.UsageError(f"--set {unused[0]}.KEY has no use here; this command takes {taken}", ctx)
        return found

    text = f"An option of the {' or '.join(kinds)}; repeatable."
    return click.option("--set", "overrides", multiple=True, callback=read, metavar="KIND.KEY=VALUE", help=text)


def _folds(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[int | str, ...]:
    """Read numbers and the word "all"."""
    for value in values:
        if value != "all" and not value.isdigit():
            raise click.BadParameter(f"{value!r} is neither a fold's number nor 'all'", ctx=ctx, param=param)
    return tuple(value if value == "all" else int(value) for value in values)


dataset_argument = click.argument("dataset", callback=_dataset)
workspace_option = click.option(
    "-w",
    "--workspace",
    type=click.Path(path_type=Path),
    help="Where everything is kept [default: NNPLUG_WORKSPACE, else ./nnplug-work].",
)
json_option = click.option("--json", "as_json", is_flag=True, callback=json_alone, help="Print JSON.")
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    callback=_overrides,
    metavar="KIND.KEY=VALUE",
    help="An option of a component (nnplug show KIND NAME lists them) or a field of the plans (plan.batch_size=2); "
    "repeatable.",
)
executor_option = click.option(
    "--executor", default="local", show_default=True, metavar="NAME", help="Where jobs run: this machine or a cluster."
)
configuration_option = click.option(
    "-c", "--configuration", "configurations", multiple=True, metavar="NAME", help="A configuration; repeatable."
)
fold_option = click.option(
    "-f", "--fold", "folds", multiple=True, callback=_folds, metavar="N|all", help="A fold; repeatable."
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where networks run.",
)
devices_option = click.option(
    "--devices", type=click.IntRange(min=1), default=1, show_default=True, help="Devices that train one fold together."
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every random draw."
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Cases or samples in work at once [default: one per core]."
)
replace_option = click.option("--replace", is_flag=True, help="Replace files that nnplug did not write.")
