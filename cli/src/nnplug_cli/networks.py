"""Printing of network summaries."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nnplug.words import by_axis
from nnplug_cli.render import echo, print_table

if TYPE_CHECKING:
    from nnplug.preparation.network_summary import NetworkSummary

BYTES = 4
"""Bytes of a float32."""


def print_network(network: NetworkSummary) -> None:
    """Print a row per stage and the sums."""
    patch = by_axis(network.patch_size)
    echo(f"{network.configuration}: {network.architecture}, {network.channels} channels of {patch}")
    rows = [
        (s.name, by_axis(s.shape), str(s.layers), f"{s.parameters:,}", f"{s.elements:,}", _megabytes(s.elements))
        for s in network.stages
    ]
    layers = sum(stage.layers for stage in network.stages)
    rows.append(
        ("all", "", str(layers), f"{network.parameters:,}", f"{network.elements:,}", _megabytes(network.elements))
    )
    print_table(("stage", "shape (C, ..)", "layers", "parameters", "feature maps", "MB (float32, 1 sample)"), rows)
    echo(f"planner's count: {network.planned_elements:,} for one sample; batches have {network.batch_size}")


def network_data(network: NetworkSummary) -> dict[str, Any]:
    """Return the summary as JSON values."""
    return {**asdict(network), "elements": network.elements}


def _megabytes(elements: int) -> str:
    return f"{elements * BYTES / 1e6:.1f}"
