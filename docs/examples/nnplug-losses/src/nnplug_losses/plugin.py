"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import LossComponent, Recipe, hookimpl


@hookimpl
def nnplug_losses() -> Iterable[LossComponent]:
    """Yield the losses."""
    yield LossComponent(
        name="losses-focal-tversky",
        target="nnplug_losses.tversky:FocalTversky",
        summary="Tversky index to a power: weighs missed voxels more than wrong ones",
        takes_several_devices=True,
    )
    yield LossComponent(
        name="losses-cldice",
        target="nnplug_losses.cldice:ClDice",
        summary="soft Dice plus Dice of centrelines, for vessels and other tubes",
        takes_several_devices=True,
    )
    yield LossComponent(
        name="losses-boundary",
        target="nnplug_losses.boundary:BoundaryEntropy",
        summary="soft Dice plus cross-entropy that counts more near the boundary",
        takes_several_devices=True,
    )


@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """Yield a recipe that differs from the default in the loss only."""
    yield Recipe(name="losses", choices={"loss": "losses-focal-tversky"}, summary="the default with focal Tversky")
