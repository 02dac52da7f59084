"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import ArchitectureComponent, Recipe, hookimpl


@hookimpl
def nnplug_architectures() -> Iterable[ArchitectureComponent]:
    """Yield the network."""
    yield ArchitectureComponent(
        name="mednext",
        target="nnplug_mednext.architecture:MedNeXt",
        summary="compact MedNeXt: depthwise convolutions, inverted bottlenecks, added skips, 2D and 3D",
        takes_topology=True,
    )


@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """Yield the network with the optimiser of its paper."""
    yield Recipe(
        name="mednext",
        choices={"architecture": "mednext"},
        summary="compact MedNeXt trained by AdamW",
        options={"trainer": {"optimizer": "adamw", "initial_lr": 1e-3, "weight_decay": 1e-2}},
    )
