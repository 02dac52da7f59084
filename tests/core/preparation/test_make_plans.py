"""Recipes, overrides and what is recorded; which numbers a planner chooses is tested with the planner."""

import pytest

from nnplug import Kind, Plugins
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidOptions, NnplugError, UnknownComponent
from nnplug.plans.fingerprint import Fingerprint
from nnplug.preparation.make_plans import make_plans, with_options
from nnplug.preparation.plan_request import PlanRequest
from nnplug.runtime.progress import Silent

STATISTICS = {
    "mean": 1.0,
    "median": 1.0,
    "std": 1.0,
    "min": 0.0,
    "max": 9.0,
    "percentile_00_5": 0.0,
    "percentile_99_5": 9.0,
}
FINGERPRINT = {
    "spacings": [[1.0, 1.0, 1.0]] * 20,
    "shapes_after_crop": [[128, 128, 128]] * 20,
    "foreground_intensity_properties_per_channel": {"0": STATISTICS},
    "median_relative_size_after_cropping": 1.0,
}
DATASET = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 20, "file_ending": ".mha"}
LARGE = {**FINGERPRINT, "shapes_after_crop": [[512, 512, 512]] * 20}

TINY = """
@hookimpl
def nnplug_trainers():
    yield TrainerComponent("tiny", "fake_nnplug_tiny:Tiny", "a trainer with two options")

@hookimpl
def nnplug_recipes():
    options = {"trainer": {"epochs": 3, "rate": 0.5}, "architecture": {"norm": "batch"}}
    yield Recipe("tiny", {"trainer": "tiny"}, "nnU-Net with a tiny trainer", options)

import dataclasses

@dataclasses.dataclass(frozen=True)
class Tiny:
    epochs: int = 1
    rate: float = 0.1
"""


@pytest.fixture
def plugins(install):
    install("nnplug-tiny", "tiny", TINY)
    return Plugins()


@pytest.fixture
def plan(plugins):
    """`plan(recipe="tiny")` plans the same small dataset."""

    def plan(*, fingerprint=FINGERPRINT, dataset=DATASET, plugins=plugins, progress=None, **choices):
        measured = Fingerprint.from_data(fingerprint, "fingerprint.json")
        description = DatasetDescription.from_data(dataset, "dataset.json")
        return make_plans(
            measured, description, PlanRequest(**choices), dataset="Dataset001_A", plugins=plugins, progress=progress
        )

    return plan


def test_the_default_recipe_names_every_kind(plan):
    plans = plan()
    assert {kind: choice.name for kind, choice in plans.choices.items()} == {
        "extractor": "nnunet",
        "planner": "nnunet",
        "preprocessor": "nnunet",
        "augmenter": "nnunet",
        "trainer": "nnunet",
        "inference": "sliding-window",
        "postprocessor": "largest-component",
    }
    assert plans.configurations["3d_fullres"].architecture.name == "plain-conv-unet"


def test_what_a_recipe_leaves_out_is_the_defaults(plan):
    plans = plan(recipe="tiny")
    assert plans.recipe == "tiny"
    assert plans.choices["trainer"].name == "tiny"
    assert plans.choices["planner"].name == "nnunet"


def test_a_recipes_options_are_kept_and_the_users_win(plan):
    plans = plan(recipe="tiny", options={"trainer": {"epochs": 7}})
    assert plans.choices["trainer"].options == {"epochs": 7, "rate": 0.5}
    assert plans.configurations["2d"].architecture.options["norm"] == "batch"


def test_a_component_of_the_user_takes_the_recipes_place_and_not_its_options(plan):
    plans = plan(recipe="tiny", components={Kind.TRAINER: "nnunet", Kind.ARCHITECTURE: "residual-encoder-unet"})
    assert plans.choices["trainer"].name == "nnunet"
    assert plans.choices["trainer"].options == {}
    assert plans.configurations["2d"].architecture.name == "residual-encoder-unet"
    assert "norm" not in plans.configurations["2d"].architecture.options


def test_a_recipe_sets_fields_of_the_plans_and_the_users_win(plan, install):
    install(
        "nnplug-fields",
        "fields",
        "@hookimpl\ndef nnplug_recipes(): "
        "yield Recipe('fields', {}, '', {'plan': {'batch_size': 3, 'patch_size': [64, 64, 64]}})",
    )
    plugins = Plugins()
    plans = plan(recipe="fields", plugins=plugins)
    assert {c.batch_size for c in plans.configurations.values()} == {3}
    assert plans.configurations["3d_fullres"].patch_size == (64, 64, 64)
    assert len(plans.configurations["2d"].patch_size) == 2
    own = plan(recipe="fields", plugins=plugins, options={"plan": {"batch_size": 5}}, configurations=("2d",))
    assert (own.configurations["2d"].batch_size, own.configurations["3d_fullres"].batch_size) == (5, 3)
    assert plan(plugins=plugins).configurations["3d_fullres"].batch_size != 3


def test_a_field_of_a_recipe_that_plans_do_not_have_is_one_line(plan, install):
    install(
        "nnplug-fields",
        "fields",
        "@hookimpl\ndef nnplug_recipes(): yield Recipe('fields', {}, '', {'plan': {'batchsize': 3}})",
    )
    with pytest.raises(InvalidOptions, match="plan has no option 'batchsize'. Did you mean 'batch_size'"):
        plan(recipe="fields", plugins=Plugins())


def test_a_planner_reads_what_its_extractor_measured_besides(plan, install):
    install(
        "nnplug-extra",
        "extra",
        """
        from nnplug_nnunet.planning import NnunetPlanner

        class Tallest(NnunetPlanner):
            def plan(self, fingerprint, description, context):
                data = super().plan(fingerprint, description, context).data()
                for one in data["configurations"].values():
                    one["batch_size"] = fingerprint.extra["extra"]["batch"]
                return type(super().plan(fingerprint, description, context)).from_data(data, "plans")

        @hookimpl
        def nnplug_planners(): yield PlannerComponent("tallest", "fake_nnplug_extra:Tallest", "")
        """,
    )
    measured = {**FINGERPRINT, "extra": {"extra": {"batch": 7}}}
    plans = plan(fingerprint=measured, components={Kind.PLANNER: "tallest"}, plugins=Plugins())
    assert {c.batch_size for c in plans.configurations.values()} == {7}
    assert Fingerprint.from_data(measured, "f").data()["extra"] == {"extra": {"batch": 7}}
    assert "extra" not in Fingerprint.from_data(FINGERPRINT, "f").data()


def test_naming_the_recipes_own_component_keeps_its_options(plan):
    plans = plan(recipe="tiny", components={Kind.TRAINER: "tiny"})
    assert plans.choices["trainer"].options == {"epochs": 3, "rate": 0.5}


FOREIGN = """
@hookimpl
def nnplug_extractors(): yield ExtractorComponent("foreign", "json:JSONDecoder", "")
@hookimpl
def nnplug_preprocessors(): yield PreprocessorComponent("foreign", "json:JSONDecoder", "")
@hookimpl
def nnplug_augmenters(): yield AugmenterComponent("foreign", "json:JSONDecoder", "")
@hookimpl
def nnplug_trainers(): yield TrainerComponent("foreign", "json:JSONDecoder", "")
@hookimpl
def nnplug_postprocessors(): yield PostprocessorComponent("foreign", "json:JSONDecoder", "")
@hookimpl
def nnplug_normalizers(): yield NormalizerComponent("foreign", "json:JSONDecoder", "")
@hookimpl
def nnplug_architectures(): yield ArchitectureComponent("foreign", "fake_nnplug_foreign:Whole", "")
@hookimpl
def nnplug_planners(): yield PlannerComponent("foreign", "fake_nnplug_foreign:Planner", "")
@hookimpl
def nnplug_recipes():
    kinds = ("extractor", "planner", "preprocessor", "augmenter", "trainer", "postprocessor")
    yield Recipe("foreign", dict.fromkeys(kinds, "foreign"), "every kind")

class Whole:
    @classmethod
    def largest_patch(cls, limit): return tuple(limit)
    @classmethod
    def options_for_patch(cls, patch_size): return {}
    def check_patch(self, patch_size): pass

class Planner:
    def plan(self, fingerprint, description, context):
        from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
        return Plans(
            dataset=context.dataset, name=context.name, recipe=context.recipe,
            choices={str(kind): choice for kind, choice in context.choices.items()},
            transpose_forward=(0, 1, 2), transpose_backward=(0, 1, 2),
            median_spacing=(1.0, 1.0, 1.0), median_shape=(32.0, 32.0, 32.0),
            intensity=fingerprint.foreground_intensity_properties_per_channel,
            configurations={"whole": Configuration(
                spacing=(1.0, 1.0, 1.0), patch_size=(32, 32, 32), batch_size=2, median_shape=(32.0, 32.0, 32.0),
                normalization=(Normalization(name="foreign", use_mask=False),), resampling=Resampling(),
                batch_dice=False, architecture=Choice(name="foreign"),
            )},
        )
"""


@pytest.mark.parametrize("recipe", ["foreign", None], ids=["by a recipe", "by options"])
def test_who_names_every_kind_plans_without_nnunet(plan, install, recipe):
    install("nnplug-foreign", "foreign", FOREIGN)
    kinds = (Kind.EXTRACTOR, Kind.PLANNER, Kind.PREPROCESSOR, Kind.AUGMENTER, Kind.TRAINER, Kind.POSTPROCESSOR)
    named = {} if recipe else dict.fromkeys(kinds, "foreign")
    plans = plan(plugins=Plugins(block=["nnplug-nnunet"]), recipe=recipe, components=named)
    assert (plans.name, plans.recipe) == ("foreign", recipe or "")
    assert {provider.distribution for provider in plans.providers} == {"nnplug-foreign", "nnplug-core"}
    assert plans.choices.pop("inference").name == "sliding-window"  # the core's own
    assert {choice.name for choice in plans.choices.values()} == {"foreign"}


def test_without_a_default_the_kinds_that_are_missing_are_named(plan):
    with pytest.raises(
        NnplugError, match="no extractor, planner, preprocessor, augmenter, postprocessor is chosen: no plugin offers"
    ):
        plan(plugins=Plugins(block=["nnplug-nnunet"]), components={Kind.TRAINER: "tiny"})


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({}, "nnunet"),
        ({"components": {Kind.PLANNER: "nnunet-resenc-m"}}, "nnunet-resenc-m"),
        ({"recipe": "nnunet-resenc-m"}, "nnunet-resenc-m"),
        ({"recipe": "tiny"}, "tiny"),
        ({"recipe": "tiny", "name": "mine"}, "mine"),
    ],
)
def test_plans_are_called_after_what_distinguishes_them(plan, arguments, name):
    assert plan(**arguments).name == name


def test_plans_have_a_name_that_a_file_can_have(plan):
    with pytest.raises(NnplugError, match=r"plans '\.\./mine': no file can have this name"):
        plan(name="../mine")


def test_every_component_that_the_plans_name_is_recorded(plan):
    providers = plan(recipe="tiny").providers
    assert [(p.kind, p.name, p.distribution) for p in providers] == [
        ("extractor", "nnunet", "nnplug-nnunet"),
        ("planner", "nnunet", "nnplug-nnunet"),
        ("preprocessor", "nnunet", "nnplug-nnunet"),
        ("normalizer", "ct", "nnplug-nnunet"),
        ("architecture", "plain-conv-unet", "nnplug-nnunet"),
        ("augmenter", "nnunet", "nnplug-nnunet"),
        ("trainer", "tiny", "nnplug-tiny"),
        ("inference", "sliding-window", "nnplug-core"),
        ("postprocessor", "largest-component", "nnplug-nnunet"),
    ]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"recipe": "tinyy"}, UnknownComponent, r"no recipe is called 'tinyy'\. Did you mean 'tiny'"),
        (
            {"components": {Kind.TRAINER: "tinyy"}},
            UnknownComponent,
            r"no trainer is called 'tinyy'\. Did you mean 'tiny'",
        ),
        (
            {"recipe": "tiny", "options": {"trainer": {"epoch": 1}}},
            InvalidOptions,
            r"trainer 'tiny' has no .* 'epochs'",
        ),
        ({"recipe": "tiny", "options": {"trainer": {"epochs": "x"}}}, InvalidOptions, "trainer 'tiny': .*'epochs'"),
        ({"options": {"planner": {"memory_gb": -1}}}, InvalidOptions, "planner 'nnunet': memory_gb is -1.0"),
        ({"options": {"architecture": {"norm": "x"}}}, InvalidOptions, "architecture 'plain-conv-unet': .*'norm'"),
        (
            {"options": {"normalizer": {"a": 1}}},
            InvalidOptions,
            "normalizer.a: the planner names a normalizer per channel. Give its options there",
        ),
        (
            {"options": {"metric": {"a": 1}}},
            InvalidOptions,
            "metric.a: plans name no metric. Give it to the command that uses it.",
        ),
    ],
)
def test_names_and_options_are_checked_when_planning(plan, arguments, error, message):
    with pytest.raises(error, match=message):
        plan(**arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"spacings": []}, r"0 spacings and 20 shapes. Measure the dataset again"),
        ({"spacings": [], "shapes_after_crop": []}, "0 spacings and 0 shapes"),
        ({"foreground_intensity_properties_per_channel": {}}, r"intensities of 0 channels, dataset.json names 1"),
        ({"spacings": [[1.0, 0.0, 1.0]] * 20}, r"'spacings' hold \[1.0, 0.0, 1.0\]; every number must be above 0"),
        ({"shapes_after_crop": [[0, 9, 9]] * 20}, r"'shapes_after_crop' hold \[0, 9, 9\]"),
    ],
)
def test_a_fingerprint_that_cannot_be_is_refused(plan, changes, message):
    with pytest.raises(NnplugError, match=message):
        plan(fingerprint={**FINGERPRINT, **changes})


def test_images_of_one_voxel_are_refused(plan):
    with pytest.raises(NnplugError, match="2d: a patch of 1 x 1 voxels is too small for a U-Net"):
        plan(fingerprint={**FINGERPRINT, "shapes_after_crop": [[1, 1, 1]] * 20})


def test_notices_of_the_planner_are_passed_on(plan):
    said = []

    class Heard(Silent):
        def notice(self, message):
            said.append(message)

    plan(dataset={**DATASET, "channel_names": {"0": "CTT"}}, progress=Heard())
    assert len(said) == 1
    assert "'CTT'" in said[0]


def test_a_channel_name_counts_only_where_it_decides(plan):
    heard = []

    class Heard(Silent):
        def notice(self, message):
            heard.append(message)

    odd = {**DATASET, "channel_names": {"0": "CTT"}}
    scheme = [{"name": "none", "use_mask": False}]
    plans = plan(dataset=odd, progress=Heard(), options={"plan": {"normalization": scheme}})
    assert plans.configurations["3d_fullres"].normalization[0].name == "none"
    assert heard == []
    plan(dataset=odd, progress=Heard(), options={"plan": {"batch_size": 2}})
    assert len(heard) == 1


def test_fields_are_set_where_they_suit(plan):
    plans = plan(options={"plan": {"patch_size": [64, 64, 64], "batch_size": 5}})
    assert plans.configurations["3d_fullres"].patch_size == (64, 64, 64)
    assert plans.configurations["2d"].patch_size == (128, 128)
    assert {c.batch_size for c in plans.configurations.values()} == {5}
    assert len(plans.configurations["3d_fullres"].architecture.options["strides"]) == 6


def test_fields_are_set_in_the_chosen_configurations_only(plan):
    before = plan(fingerprint=LARGE)
    after = plan(fingerprint=LARGE, options={"plan": {"batch_size": 9}}, configurations=("3d_lowres",))
    changed = [n for n, c in after.configurations.items() if c != before.configurations[n]]
    assert changed == ["3d_lowres"]
    assert after.configurations["3d_lowres"].batch_size == 9


def test_another_spacing_moves_the_median_shape(plan):
    full = plan(options={"plan": {"spacing": [2, 1, 1]}}).configurations["3d_fullres"]
    assert full.spacing == (2, 1, 1)
    assert full.median_shape == (64, 128, 128)


def test_normalization_resampling_and_batch_dice_can_be_set(plan):
    values = {
        "normalization": [{"name": "zscore", "use_mask": True}],
        "resampling": {"image": {"order": 1}},
        "batch_dice": True,
    }
    full = plan(options={"plan": values}).configurations["3d_fullres"]
    assert (full.normalization[0].name, full.normalization[0].use_mask) == ("zscore", True)
    assert full.resampling.image.order == 1
    assert full.batch_dice


@pytest.mark.parametrize(
    ("values", "configurations", "message"),
    [
        ({"patchsize": [64] * 3}, (), r"plan has no option 'patchsize'\. Did you mean 'patch_size'"),
        ({"batch_size": "two"}, (), "plan: .*'batch_size' is 'two'"),
        ({"batch_size": 0}, (), "plan: batch_size is 0; expected at least 1"),
        ({"patch_size": [64]}, (), r"plan: patch_size is \[64\]; expected 2 or 3 numbers above 0"),
        ({"spacing": [1, 1, 0]}, (), "plan: spacing is .*expected 2 or 3 numbers above 0"),
        ({"patch_size": [64, 64, 64]}, ("2d",), r"plan.patch_size \[64, 64, 64\] has 3 axes; 2d has 2"),
        ({"batch_size": 2}, ("3d_fulres",), "not '3d_fulres'. Did you mean '3d_fullres'"),
        ({"normalization": []}, (), "plan.normalization has 0 entries; expected one for each of 1 channels"),
        ({"normalization": [{"name": "zscor", "use_mask": True}]}, (), "no normalizer is called 'zscor'"),
        (
            {"patch_size": [60, 64, 64]},
            (),
            "3d_fullres: patch size 60 x 64 x 64 does not fit .* nearest is 64 x 64 x 64",
        ),
        ({"patch_size": [32, 32, 32]}, (), "3d_fullres: .*more than one voxel .* nearest is 32 x 32 x 64"),
    ],
)
def test_fields_are_checked(plan, values, configurations, message):
    with pytest.raises(NnplugError, match=message):
        plan(options={"plan": values}, configurations=configurations)


def test_options_for_one_training(plan, plugins):
    plans = plan(recipe="tiny")
    changed = with_options(plans, {"trainer": {"epochs": 9}}, registry=plugins.registry)
    assert changed.choices["trainer"].options == {"epochs": 9, "rate": 0.5}
    assert plans.choices["trainer"].options["epochs"] == 3
    assert changed.configurations == plans.configurations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainer": {"epoch": 9}}, "trainer 'tiny' has no option 'epoch'"),
        (
            {"plan": {"batch_size": 9}},
            r"plan.batch_size is decided when planning. Set it when the dataset is planned",
        ),
        ({"architecture": {"norm": "batch"}}, "architecture.norm is decided when planning"),
    ],
)
def test_options_for_one_training_are_checked(plan, plugins, options, message):
    with pytest.raises(InvalidOptions, match=message):
        with_options(plan(recipe="tiny"), options, registry=plugins.registry)
