"""The entries of this package, and a recipe of all that plans name."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug import (
    ArchitectureComponent,
    AugmenterComponent,
    LossComponent,
    MetricComponent,
    NormalizerComponent,
    PlannerComponent,
    PostprocessorComponent,
    Recipe,
    SamplerComponent,
    TrainerComponent,
    hookimpl,
)

HERE = "nnplug_stranger"


@hookimpl
def nnplug_planners() -> Iterable[PlannerComponent]:
    """Yield the planner."""
    yield PlannerComponent("stranger", f"{HERE}.planner:Narrow", "nnU-Net's, narrow", plans_for_memory=True)


@hookimpl
def nnplug_architectures() -> Iterable[ArchitectureComponent]:
    """Yield the network."""
    yield ArchitectureComponent(
        "stranger-flat", f"{HERE}.architecture:Flat", "convolutions of the full resolution", takes_topology=True
    )


@hookimpl
def nnplug_trainers() -> Iterable[TrainerComponent]:
    """Yield the trainer, with the abilities that it inherits."""
    yield TrainerComponent(
        "stranger-ema",
        f"{HERE}.trainer:Averaging",
        "nnU-Net's with a moving average",
        takes_previous_stage=True,
        takes_several_devices=True,
        takes_loss=True,
        takes_sampler=True,
        extends_runs=True,
        case_index="nnplug_nnunet.training.patch_centres:PatchCentres",
    )


@hookimpl
def nnplug_losses() -> Iterable[LossComponent]:
    """Yield the loss."""
    yield LossComponent("stranger-focal", f"{HERE}.loss:Focal", "cross-entropy of the harder voxels")


@hookimpl
def nnplug_samplers() -> Iterable[SamplerComponent]:
    """Yield the sampler."""
    yield SamplerComponent("stranger-foreground", f"{HERE}.sampler:Foreground", "half of the patches on foreground")


@hookimpl
def nnplug_augmenters() -> Iterable[AugmenterComponent]:
    """Yield the augmenter."""
    yield AugmenterComponent("stranger-gentle", f"{HERE}.augmenter:Gentle", "mirroring and contrast")


@hookimpl
def nnplug_postprocessors() -> Iterable[PostprocessorComponent]:
    """Yield the postprocessor."""
    yield PostprocessorComponent("stranger-fewest", f"{HERE}.postprocessor:Fewest", "nothing far too small")


@hookimpl
def nnplug_normalizers() -> Iterable[NormalizerComponent]:
    """Yield the normalizer."""
    yield NormalizerComponent("stranger-compressed", f"{HERE}.normalizer:Compressed", "outliers squeezed")


@hookimpl
def nnplug_metrics() -> Iterable[MetricComponent]:
    """Yield the metric."""
    yield MetricComponent("stranger-recall", f"{HERE}.metric:Recall", "the share that was found")


@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """Yield a recipe of all eight kinds that plans can name."""
    yield Recipe(
        name="stranger",
        choices={
            "planner": "stranger",
            "architecture": "stranger-flat",
            "trainer": "stranger-ema",
            "loss": "stranger-focal",
            "sampler": "stranger-foreground",
            "augmenter": "stranger-gentle",
            "postprocessor": "stranger-fewest",
            "normalizer": "stranger-compressed",
        },
        summary="everything of this package",
        options={
            "normalizer": {"limit": 4.0},
            "trainer": {"epochs": 2, "iterations_per_epoch": 3, "val_iterations_per_epoch": 1},
            "plan": {"batch_size": 2},
        },
    )
