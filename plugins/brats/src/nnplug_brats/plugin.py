"""The BraTS 2020 winner's variant of nnU-Net: its components, and each row of the paper's table as a recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nnplug import (
    AugmenterComponent,
    ConverterComponent,
    MetricComponent,
    PlannerComponent,
    PostprocessorComponent,
    Recipe,
    hookimpl,
)

_FIRST_NNUNET = {"interpolation": "cubic", "even_scaling": True, "margin": 0.7}
"""The augmentation options of nnU-Net 1, the paper's baseline, that differ from 2.8.1's."""


@hookimpl
def nnplug_converters() -> Iterable[ConverterComponent]:
    """Yield the converter for the challenge's folders."""
    yield ConverterComponent("brats", "nnplug_brats.converter:BratsConverter", "BraTS 2018 to 2023 and BraTS-Africa")


@hookimpl
def nnplug_planners() -> Iterable[PlannerComponent]:
    """Yield the planner of one configuration with a large batch."""
    yield PlannerComponent(
        "brats",
        "nnplug_brats.planner:BratsPlanner",
        "nnU-Net's rules, one configuration, 128^3, batch of 5",
        plans_for_memory=True,
    )


@hookimpl
def nnplug_augmenters() -> Iterable[AugmenterComponent]:
    """Yield the paper's DA and DA*."""
    augmentation = "nnplug_brats.augmentation:"
    yield AugmenterComponent(
        "brats",
        f"{augmentation}BratsAugmenter",
        "DA: stronger, scaling per axis, elastic, shifted brightness",
        takes_previous_stage=True,
        augments_batches=True,
    )
    yield AugmenterComponent(
        "brats-aggressive",
        f"{augmentation}AggressiveAugmenter",
        "DA*: DA turned up to 90 degrees",
        takes_previous_stage=True,
        augments_batches=True,
    )


@hookimpl
def nnplug_postprocessors() -> Iterable[PostprocessorComponent]:
    """Yield the entry's rule for small enhancing tumour, for any two labels."""
    target = "nnplug_brats.postprocessor:SmallRegion"
    yield PostprocessorComponent(
        "brats-enhancing", target, "less of a label than a threshold becomes another label", fits_by_figure=True
    )


@hookimpl
def nnplug_metrics() -> Iterable[MetricComponent]:
    """Yield the challenge's scores."""
    yield MetricComponent(
        "brats", "nnplug_brats.metrics:BratsMetric", "Dice, HD95, sensitivity, specificity by BraTS's rules"
    )


@hookimpl
def nnplug_recipes() -> Iterable[Recipe]:
    """Yield the rows of the paper's table; the default recipe fills what a recipe leaves out."""
    yield _recipe(
        "brats", "BL*+R+DA*+BN: regions, aggressive augmentation, batch norm", "brats-aggressive", norm="batch"
    )
    yield _recipe("brats-da", "BL*+R+DA+BN: regions, stronger augmentation, batch norm", "brats", norm="batch")
    yield _recipe(
        "brats-batch-dice",
        "BL*+R+DA*+BN+BD: brats with Dice over the batch",
        "brats-aggressive",
        norm="batch",
        batch_dice=True,
    )
    yield _recipe(
        "brats-da-batch-dice",
        "BL*+R+DA+BN+BD: brats-da with Dice over the batch",
        "brats",
        norm="batch",
        batch_dice=True,
    )
    yield _recipe("brats-bl-r-da", "BL*+R+DA: regions and stronger augmentation", "brats")
    yield _recipe("brats-bl-r", "BL*+R: the baseline with regions")
    yield _recipe("brats-bl", "BL*: nnU-Net 1 with a batch of 5, without regions", regions=False)
    yield _recipe("brats-bl2", "BL: nnU-Net 1 with a batch of 2, without regions", regions=False, batch_size=2)


def _recipe(name: str, summary: str, augmenter: str = "nnunet", *, norm: str = "instance", **planner: Any) -> Recipe:
    own: Mapping[str, Any] = _FIRST_NNUNET if augmenter == "nnunet" else {}
    return Recipe(
        name,
        {
            "planner": "brats",
            "preprocessor": "nnunet",
            "augmenter": augmenter,
            "trainer": "nnunet",
            "postprocessor": "brats-enhancing",
        },
        summary,
        {"planner": planner, "architecture": {"norm": norm}, "augmenter": own},
    )
