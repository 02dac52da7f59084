"""Read the arguments of Python users: one name or several, numbers in their range, options of components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import Any

from nnplug.errors import InvalidOptions
from nnplug.plans.overrides import from_values
from nnplug.steps.choices import FoldSelection, PlanChoices, RuntimeOptions, TrainingChoices
from nnplug.steps.keywords import PLAN_KINDS

Names = str | Sequence[str]
"""One name or several."""
Folds = int | str | Sequence[int | str]
"""One fold or several: numbers, or "all"."""


def names(given: Names, what: str = "names") -> tuple[str, ...]:
    """Return the names as a tuple.

    Args:
        given: the names.
        what: the name of the argument, for messages.

    Raises:
        InvalidOptions: they are an empty list.
    """
    _check_not_emptied(given, what)
    return (given,) if isinstance(given, str) else tuple(given)


def paths(given: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    """Return the paths as a tuple.

    Raises:
        InvalidOptions: they are an empty list.
    """
    _check_not_emptied(given, "paths")
    return (Path(given),) if isinstance(given, str | Path) else tuple(map(Path, given))


def optional_path(given: str | Path | None) -> Path | None:
    """Return the path, or None if there is none."""
    return None if given is None else Path(given)


def fold_names(given: Folds) -> tuple[int | str, ...]:
    """Return the folds as a tuple; "1" is fold 1.

    Raises:
        InvalidOptions: one is neither a number from 0 on nor "all", or they are an empty list.
    """
    _check_not_emptied(given, "folds")
    several = (given,) if isinstance(given, int | str) else tuple(given)
    for fold in several:
        if fold != "all" and not str(fold).isdecimal():
            raise InvalidOptions(f"folds: {fold!r} is neither a fold's number nor 'all'")
    return tuple(fold if fold == "all" else int(fold) for fold in several)


def _check_not_emptied(given: object, what: str) -> None:
    """Raise `InvalidOptions` for an empty list; the default, an empty tuple, means all."""
    if isinstance(given, Sized) and not isinstance(given, tuple | str) and len(given) == 0:
        raise InvalidOptions(f"{what}: {given!r} is empty; leave the argument out for the default")


def selection(configurations: Names, folds: Folds) -> FoldSelection:
    """Return the trainings that a user names."""
    return FoldSelection(names(configurations, "configurations"), fold_names(folds))


def plan_choices(options: Mapping[str, Any]) -> PlanChoices:
    """Return the choices in the keywords of planning."""
    components = {kind: options[kind] for kind in PLAN_KINDS if options[kind] is not None}
    return PlanChoices(options["recipe"], components, options["memory_gb"], options["name"])


def runtime_options(options: Mapping[str, Any]) -> RuntimeOptions:
    """Return the choices for the machine in the keywords of a step; it need not take all of them."""
    return RuntimeOptions(
        executor=options.get("executor", "local"),
        overrides=from_values(options.get("options", {})),
        device=options.get("device", "auto"),
        workers=options.get("workers"),
        gpu_memory_gb=options.get("gpu_memory_gb"),
    )


def training_choices(options: Mapping[str, Any]) -> TrainingChoices:
    """Return the choices in the keywords of training."""
    return TrainingChoices(
        devices=options["devices"],
        seed=options["seed"],
        mirroring=options["mirroring"],
        fresh=options["fresh"],
        trackers=names(options["trackers"]),
    )
