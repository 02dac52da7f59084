"""Apply `--set plan.KEY=VALUE`: the user's values for fields of the configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from nnplug.contracts import Architecture
from nnplug.errors import InvalidOptions, NnplugError
from nnplug.plans.plans import Configuration, Normalization, Plans, Resampling
from nnplug.registry.attribution import attributed
from nnplug.registry.components import PLAN_WORD, Kind, Registry
from nnplug.registry.options import build

PER_AXIS = ("spacing", "patch_size")
"""Fields with one entry per axis; only configurations with the same number of axes can have them."""


@dataclass(frozen=True, kw_only=True)
class PlanFields:
    """The fields of `nnplug.plans.plans.Configuration` that users can set; None leaves a field to the planner.

    `spacing` changes the grid of a finished configuration and keeps its patch. The planner's option with the same name
    plans the whole configuration for the spacing.
    """

    spacing: tuple[float, ...] | None = None
    patch_size: tuple[int, ...] | None = None
    batch_size: int | None = None
    batch_dice: bool | None = None
    normalization: tuple[Normalization, ...] | None = None
    resampling: Resampling | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for numbers that no configuration can have."""
        for name in PER_AXIS:
            value = getattr(self, name)
            if value is not None and not (len(value) in (2, 3) and min(value) > 0):
                raise ValueError(f"{name} is {list(value)}; expected 2 or 3 numbers above 0")
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(f"batch_size is {self.batch_size}; expected at least 1")

    def given(self) -> dict[str, Any]:
        """Return the fields that are set."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


def override(plans: Plans, values: Mapping[str, Any], configurations: Sequence[str], registry: Registry) -> Plans:
    """Return plans with other values for fields of the configurations.

    Args:
        plans: the plans from the planner.
        values: field -> value.
        configurations: the names of the configurations; empty for all.
        registry: the registry with the normalizers.

    Raises:
        InvalidOptions: a field does not exist, or a value has the wrong type or is invalid for all configurations.
        NnplugError: the plans have no such configuration.
    """
    given = build(PlanFields, values, what=PLAN_WORD).given()
    chosen = configurations or tuple(plans.configurations)
    changed = {name: plans.configuration(name) for name in chosen}
    for field, value in given.items():
        if field == "normalization":
            _check_normalization(value, plans, registry)
        takers = [name for name, c in changed.items() if field not in PER_AXIS or c.dimensions == len(value)]
        if not takers:
            other = f"{len(value)} axes; {' and '.join(changed)} has {5 - len(value)}"
            raise InvalidOptions(f"{PLAN_WORD}.{field} {list(value)} has {other}")
        changed |= {name: _with(changed[name], field, value) for name in takers}
    return msgspec.structs.replace(plans, configurations={**plans.configurations, **changed})


def check_patches(plans: Plans, registry: Registry) -> None:
    """Raise unless the architecture of each configuration can take its patch.

    Raises:
        NnplugError: it cannot; the message names the configuration and a possible patch size.
    """
    for name, configuration in plans.configurations.items():
        choice = configuration.architecture
        network: Architecture = registry.create(Kind.ARCHITECTURE, choice.name, choice.options)
        try:
            with attributed(network):
                network.check_patch(configuration.patch_size)
        except NnplugError as error:
            raise NnplugError(f"{name}: {error}") from error


def _with(configuration: Configuration, field: str, value: Any) -> Configuration:
    changes = {field: value}
    if field == "spacing":
        grid = zip(configuration.spacing, value, configuration.median_shape, strict=True)
        changes["median_shape"] = tuple(old / new * n for old, new, n in grid)
    return msgspec.structs.replace(configuration, **changes)


def _check_normalization(value: Sequence[Normalization], plans: Plans, registry: Registry) -> None:
    if len(value) != len(plans.intensity):
        raise InvalidOptions(
            f"{PLAN_WORD}.normalization has {len(value)} entries; expected one for each of "
            f"{len(plans.intensity)} channels"
        )
    for normalization in value:
        registry.create(Kind.NORMALIZER, normalization.name, normalization.options)
