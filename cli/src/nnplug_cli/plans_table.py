"""The table of plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnplug_cli.render import print_table

if TYPE_CHECKING:
    from nnplug.plans.plans import Plans

COLUMNS = ("configuration", "spacing (mm)", "patch", "batch", "median shape", "network")


def print_plans(plans: Plans, configurations: Sequence[str] = ()) -> None:
    """Print a row per configuration: all of the plans, or some."""
    chosen = [(name, plans.configuration(name)) for name in configurations or plans.configurations]
    rows = [
        (name, _times(c.spacing), _times(c.patch_size), str(c.batch_size), _times(c.median_shape), c.architecture.name)
        for name, c in chosen
    ]
    print_table(COLUMNS, rows)


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{value:g}" for value in values)
