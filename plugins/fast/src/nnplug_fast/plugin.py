"""The entries of this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nnplug import Recipe, TrainerComponent, hookimpl

_START: Mapping[str, Any] = {"warmup": 0.1, "class_bias": True, "momentum_warmup": 0.1, "rescue": True}
_FAST: Mapping[str, Any] = {
    "epochs": 100,
    "optimizer": "muon",
    "initial_lr": 0.003,
    "weight_decay": 0.01,
    "schedule": "linear",
    "ema": 0.02,
    "keep_order": True,
    **_START,
}


@hookimpl
def nnplug_trainers() -> Iterable[TrainerComponent]:
    """Yield the trainer; without options it trains as nnU-Net's."""
    yield TrainerComponent(
        "fast",
        "nnplug_fast.trainer:FastTrainer",
        "nnU-Net's training with Muon, AdamW, other schedules, averaged weights and other starts as options",
        takes_previous_stage=True,
        takes_several_devices=True,
        takes_loss=True,
        takes_sampler=True,
        adapts=True,
        extends_runs=True,
        rehearses=True,
        case_index="nnplug_nnunet.training.patch_centres:PatchCentres",
    )
    yield TrainerComponent(
        "progressive",
        "nnplug_fast.progressive:ProgressiveTrainer",
        "nnU-Net's training on patches that grow from the smallest that the network takes to the planned one (PGPS)",
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
    """Yield two recipes that differ from nnU-Net's in the trainer only; the default recipe fills the rest."""
    yield Recipe(
        "fast",
        {"trainer": "fast"},
        "a tenth of nnU-Net's iterations: Muon, linear decay, averaged weights, a start from class frequencies",
        {"trainer": _FAST},
    )
    yield Recipe(
        "best",
        {"trainer": "fast"},
        "the options of the recipe fast over all of nnU-Net's iterations",
        {"trainer": {**_FAST, "epochs": 1000}},
    )
