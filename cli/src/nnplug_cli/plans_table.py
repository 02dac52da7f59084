"""The table of plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nnplug.words import by_axis
from nnplug_cli.render import print_table

if TYPE_CHECKING:
    from nnplug.plans.plans import Plans

COLUMNS = ("configuration", "spacing (mm)", "patch", "batch", "median shape", "network")


def print_plans(plans: Plans, configurations: Sequence[str] = ()) -> None:
    """Print a row per configuration: all of the plans, or some."""
    chosen = [(name, plans.configuration(name)) for name in configurations or plans.configurations]
    rows = [
        (
            name,
            by_axis(c.spacing),
            by_axis(c.patch_size),
            str(c.batch_size),
            by_axis(c.median_shape),
            c.architecture.name,
        )
        for name, c in chosen
    ]
    print_table(COLUMNS, rows)
