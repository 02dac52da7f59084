"""Options that several commands share, each a decorator.

| decorator | argument of the command |
|---|---|
| `dataset_argument` | `dataset: Path`; an id or name is looked up in nnUNet_raw |
| `workspace_option` | `workspace: Path or None`, for `Context.workspace_root` |
| `json_option` | `as_json: bool` |
| `set_option` | `overrides: dict[str, dict[str, Any]]`, see `nnplug.plans.overrides` |
| `set_option_of(KIND, ..)` | the same; other kinds are refused |
| `executor_option` | `executor: str` |
| `runtime_options(OPTION, ..)` | `runtime: RuntimeOptions`, for `Context.runtime` or `Context.case_runtime` |
| `compared_options(OPTION)` | `compared: Compared` |
| `selection_options` | `selection: FoldSelection` |
| `gathered(NAME, GROUP, OPTION, ..)` | `NAME: GROUP`, the options as one object |
| `component_options` | `choices: PlanChoices` |
| `configuration_option` | `configurations: tuple[str, ...]`, empty for all |
| `fold_option` | `folds: tuple[int or "all", ...]`, empty for all folds |
| `device_option` | `device: str` |
| `devices_option` | `devices: int` |
| `gpu_memory_option` | `gpu_memory_gb: float or None`, None for all of it |
| `seed_option` | `seed: int` |
| `workers_option` | `workers: int or None`, None for one per core |
| `tracker_option` | `trackers: tuple[str, ...]`, for `nnplug.steps.requests.tracker_choices` |
| `replace_option` | `replace: bool`, see `nnplug.runtime.outputs` |
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any, TypeVar

import click

from nnplug.plans.overrides import parse
from nnplug.registry.components import Kind
from nnplug_cli.choices import Compared, FoldSelection, PlanChoices, RuntimeOptions
from nnplug_cli.names import RECIPE, ComponentName, ConfigurationName
from nnplug_cli.render import results_alone

Command = TypeVar("Command", bound=Callable[..., Any])

PLAN_KINDS = (
    Kind.EXTRACTOR,
    Kind.PLANNER,
    Kind.PREPROCESSOR,
    Kind.RESAMPLER,
    Kind.ARCHITECTURE,
    Kind.AUGMENTER,
    Kind.SAMPLER,
    Kind.LOSS,
    Kind.TRAINER,
    Kind.INFERENCE,
    Kind.POSTPROCESSOR,
)
"""The kinds that plans name once; normalizers are chosen by the planner, per channel."""


def component_options(command: Command) -> Command:
    """Add `--recipe`, an option per kind, `--memory-gb` and `--name`, as one `choices`."""

    @functools.wraps(command)
    def packed(*args: Any, recipe: str | None, memory_gb: float | None, plans_name: str | None, **others: Any) -> Any:
        named = {kind: others.pop(kind.value) for kind in PLAN_KINDS}
        components = {kind: name for kind, name in named.items() if name is not None}
        return command(*args, choices=PlanChoices(recipe, components, memory_gb, plans_name), **others)

    decorators = [
        click.option(
            "--recipe",
            type=ComponentName(RECIPE),
            help="A named choice of all components [default: the default recipe].",
        ),
        *(
            click.option(f"--{kind}", type=ComponentName(kind), help=f"The {kind}, instead of the recipe's.")
            for kind in PLAN_KINDS
        ),
        click.option("--memory-gb", type=click.FloatRange(min=0, min_open=True), help="GPU memory to plan for."),
        click.option("--name", "plans_name", metavar="NAME", help="Name of the plans [default: the planner's name]."),
    ]
    return _apply(packed, decorators)  # type: ignore[return-value] # the same command with packed options


def gathered(name: str, group: Callable[..., Any], *options: Callable[..., Any]) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command and passes the fields of `group` as one object.

    Other values stay separate arguments, so that the help can list options in any order.

    Args:
        name: name of the command's argument.
        group: a data class; its fields have the names of values.
        options: decorators of click, in the order of the help.
    """
    taken = signature(group).parameters.keys()

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def packed(*args: Any, **values: Any) -> Any:
            own = {key: values.pop(key) for key in taken & values.keys()}
            return command(*args, **{name: group(**own)}, **values)

        return _apply(packed, list(options))  # type: ignore[return-value] # the same command with packed options

    return decorate


def runtime_options(*options: Callable[..., Any]) -> Callable[[Command], Command]:
    """Return a decorator that adds some of `--device`, `--executor`, `--set`, `--workers` .. as one `runtime`."""
    return gathered("runtime", RuntimeOptions, *options)


def compared_options(dataset_json: Callable[..., Any]) -> Callable[[Command], Command]:
    """Return a decorator that adds `--references`, `--predictions` and `dataset.json`, as one `compared`."""
    path = click.Path(path_type=Path)
    return gathered(
        "compared",
        Compared,
        click.option("-r", "--references", required=True, type=path, help="A folder of label maps."),
        click.option("-p", "--predictions", required=True, type=path, help="A folder of label maps of the same names."),
        dataset_json,
    )


def _apply(command: Callable[..., Any], decorators: list[Callable[..., Any]]) -> Callable[..., Any]:
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def dataset_folder(reference: str) -> Path:
    """Return the folder that a path names, or the folder of an id or name in nnUNet_raw.

    Raises:
        NnplugError: there is none; see `nnplug.dataset.dataset.find_dataset`.
    """
    from nnplug.steps.folders import dataset_folder as found

    return found(reference)


def _dataset(ctx: click.Context, param: click.Parameter, value: str) -> Path:  # noqa: ARG001 - click's signature
    return dataset_folder(value).absolute()  # jobs on a cluster run in other folders


def _overrides(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, dict[str, Any]]:  # noqa: ARG001
    return parse(values)


def set_option_of(*kinds: Kind) -> Callable[[Command], Command]:
    """Return `--set` for a command that uses options of some kinds only; other kinds raise `click.UsageError`."""

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
        if value != "all" and not value.isdecimal():
            raise click.BadParameter(f"{value!r} is neither a fold's number nor 'all'", ctx=ctx, param=param)
    return tuple(value if value == "all" else int(value) for value in values)


dataset_argument = click.argument("dataset", callback=_dataset)
workspace_option = click.option(
    "-w",
    "--workspace",
    type=click.Path(path_type=Path),
    help="Folder for all results [default: NNPLUG_WORKSPACE, else ./nnplug-work].",
)
json_option = click.option("--json", "as_json", is_flag=True, callback=results_alone, help="Print JSON.")
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
    "--executor",
    type=ComponentName(Kind.EXECUTOR),
    default="local",
    show_default=True,
    metavar="NAME",
    help="Executor of the jobs: this machine or a cluster.",
)
configuration_option = click.option(
    "-c",
    "--configuration",
    "configurations",
    type=ConfigurationName(),
    multiple=True,
    help="A configuration; repeatable.",
)
fold_option = click.option(
    "-f", "--fold", "folds", multiple=True, callback=_folds, metavar="N|all", help="A fold; repeatable."
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Device of the networks.",
)
devices_option = click.option(
    "--devices", type=click.IntRange(min=1), default=1, show_default=True, help="Devices that train one fold together."
)
gpu_memory_option = click.option(
    "--gpu-memory-gb",
    type=click.FloatRange(min=0, min_open=True),
    help="GPU memory that this process may allocate, so that several share a GPU [default: all that is free].",
)
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of every random draw."
)
selection_options = gathered("selection", FoldSelection, configuration_option, fold_option)
tracker_option = click.option(
    "--tracker",
    "trackers",
    type=ComponentName(Kind.TRACKER),
    multiple=True,
    help="Send epochs, pictures and the model of each training to this tracker; repeatable. "
    "--set tracker.NAME.KEY=VALUE sets an option of it.",
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), help="Cases or samples processed at once [default: one per core]."
)
replace_option = click.option("--replace", is_flag=True, help="Replace files that nnplug did not write.")
