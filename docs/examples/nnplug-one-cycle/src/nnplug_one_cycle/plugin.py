"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import Recipe, TrainerComponent, hookimpl


@hookimpl
def nnplug_trainers() -> Iterable[TrainerComponent]:
    """Yield the training procedure."""
    yield TrainerComponent(
        name="one-cycle",
        target="nnplug_one_cycle.trainer:OneCycleTrainer",
        summary="AdamW, the learning rate rising and falling once, a tenth of nnU-Net's iterations",
        takes_previous_stage=True,
        takes_several_devices=True,
        takes_loss=True,
        takes_sampler=True,
        extends_runs=True,
        rehearses=True,
        case_index="nnplug_nnunet.training.patch_centres:PatchCentres",
    )


@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """Yield a recipe that differs from nnU-Net in the trainer only."""
    yield Recipe(name="one-cycle", choices={"trainer": "one-cycle"}, summary="nnU-Net in a tenth of the iterations")
