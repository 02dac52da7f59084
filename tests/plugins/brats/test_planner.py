"""The planner `brats` and the recipes: the paper's numbers, whatever the data."""

from __future__ import annotations

from math import prod

import pytest

from nnplug import Plugins
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidOptions
from nnplug.plans.fingerprint import Fingerprint, IntensityStats
from nnplug.preparation.make_plans import make_plans
from nnplug.preparation.plan_request import PlanRequest

PLUGINS = Plugins()
RECIPES = [
    "brats",
    "brats-batch-dice",
    "brats-bl",
    "brats-bl-r",
    "brats-bl-r-da",
    "brats-bl2",
    "brats-da",
    "brats-da-batch-dice",
]
STATISTICS = IntensityStats(
    mean=90.0, median=88.0, std=40.0, min=1.0, max=200.0, percentile_00_5=2.0, percentile_99_5=198.0
)
REGIONS = {"background": 0, "whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]}


def describe(channels=4):
    raw = {
        "channel_names": {str(c): f"MR{c}" for c in range(channels)},
        "labels": REGIONS,
        "regions_class_order": [1, 2, 3],
        "numTraining": 369,
        "file_ending": ".nii.gz",
    }
    return DatasetDescription.from_data(raw, "dataset.json")


def fingerprint(shape, channels=4, spacing=(1.0, 1.0, 1.0)):
    return Fingerprint(
        spacings=(spacing,) * 3,
        shapes_after_crop=(shape,) * 3,
        foreground_intensity_properties_per_channel={str(c): STATISTICS for c in range(channels)},
        median_relative_size_after_cropping=0.3,
    )


def plan(shape=(138, 170, 137), recipe="brats", channels=4, **options):
    return make_plans(
        fingerprint(shape, channels),
        describe(channels),
        PlanRequest(recipe=recipe, options={"planner": options}),
        dataset="Dataset082_BraTS2020",
        plugins=PLUGINS,
    )


def test_brains_get_128_and_five():
    plans = plan()
    (volume,) = plans.configurations.values()
    assert list(plans.configurations) == ["3d_fullres"]
    assert volume.patch_size == (128, 128, 128)
    assert volume.batch_size == 5
    assert not volume.batch_dice
    assert volume.architecture.options["norm"] == "batch"
    assert volume.architecture.options["features_per_stage"] == [32, 64, 128, 256, 320, 320]
    assert all(n.name == "zscore" and n.use_mask for n in volume.normalization)


def test_the_patch_is_smaller_where_128_does_not_fit():
    assert plan(shape=(90, 170, 137)).configurations["3d_fullres"].patch_size == (96, 128, 128)
    (small,) = plan(memory_gb=8).configurations.values()
    assert prod(small.patch_size) < 128**3
    assert small.batch_size == 5
    assert plan(memory_gb=80).configurations["3d_fullres"].patch_size == (128, 128, 128)


def test_slices_get_the_plane():
    (name, plane), *others = plan(shape=(1, 216, 160)).configurations.items()
    assert (name, others, plane.batch_size, plane.batch_dice) == ("2d", [], 5, False)
    assert plane.patch_size == (224, 160)


def test_two_channels_are_planned_as_well():
    (volume,) = plan(channels=2).configurations.values()
    assert len(volume.normalization) == 2


def decisions(recipe):
    plans = plan(recipe=recipe)
    (volume,) = plans.configurations.values()
    augmenter = plans.choices["augmenter"]
    return (
        volume.batch_size,
        plans.regions,
        augmenter.options.get("interpolation", augmenter.name),
        volume.architecture.options["norm"],
        volume.batch_dice,
    )


@pytest.mark.parametrize(
    ("recipe", "batch", "regions", "augmentation", "norm", "batch_dice"),
    [
        ("brats-bl2", 2, False, "cubic", "instance", False),
        ("brats-bl", 5, False, "cubic", "instance", False),
        ("brats-bl-r", 5, True, "cubic", "instance", False),
        ("brats-bl-r-da", 5, True, "brats", "instance", False),
        ("brats-da", 5, True, "brats", "batch", False),
        ("brats", 5, True, "brats-aggressive", "batch", False),
        ("brats-da-batch-dice", 5, True, "brats", "batch", True),
        ("brats-batch-dice", 5, True, "brats-aggressive", "batch", True),
    ],
)
def test_each_row_of_the_table_is_a_recipe(recipe, batch, regions, augmentation, norm, batch_dice):
    assert decisions(recipe) == (batch, regions, augmentation, norm, batch_dice)


def test_there_is_no_other_recipe():
    own = [r.recipe.name for r in PLUGINS.registry.recipes if r.source.plugin == "brats"]
    assert own == RECIPES


def test_without_regions_the_classes_are_learnt():
    learned = plan(recipe="brats-bl").training_description(describe())
    assert learned.labels.keys == ("1", "2", "3")
    assert learned.labels.outputs == 4
    assert "regions_class_order" not in learned.raw
    assert plan().training_description(describe()).labels.outputs == 3


def test_what_no_plan_could_be_made_of_is_refused():
    with pytest.raises(InvalidOptions, match="batch_size is 0; expected at least 1"):
        plan(batch_size=0)
