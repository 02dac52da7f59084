"""A command that measures label maps."""

from __future__ import annotations

from pathlib import Path

import click

from nnplug.io.images import read_label


@click.command()
@click.argument("label_map", type=click.Path(path_type=Path))
def volumes(label_map: Path) -> None:
    """Print the volume of each label of LABEL_MAP, in ml."""
    import numpy as np

    found = read_label(label_map)
    voxel = float(np.prod(found.geometry.spacing)) / 1000
    for value, count in zip(*np.unique(found.array, return_counts=True), strict=True):
        click.echo(f"{value} {count * voxel:.3f}")
