"""A run keeps what earlier plans decide and its command does not set."""

from __future__ import annotations

import msgspec
import pytest

from nnplug import Plugins
from nnplug.dataset.description import DatasetDescription
from nnplug.pipeline.kept_plans import keep_earlier, kept_differences
from nnplug.plans.fingerprint import Fingerprint
from nnplug.preparation.make_plans import make_plans
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.components import Kind

STATISTICS = dict.fromkeys(("mean", "median", "std", "min", "max", "percentile_00_5", "percentile_99_5"), 1.0)
FINGERPRINT = Fingerprint.from_data(
    {
        "spacings": [[1.0, 1.0, 1.0]] * 20,
        "shapes_after_crop": [[128, 128, 128]] * 20,
        "foreground_intensity_properties_per_channel": {"0": STATISTICS},
        "median_relative_size_after_cropping": 1.0,
    },
    "fingerprint.json",
)
DESCRIPTION = DatasetDescription.from_data(
    {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 20, "file_ending": ".mha"},
    "dataset.json",
)


@pytest.fixture
def plan():
    plugins = Plugins()
    return lambda request: make_plans(FINGERPRINT, DESCRIPTION, request, dataset="Dataset001_A", plugins=plugins)


@pytest.fixture
def kept(plan):
    """`kept(earlier, request)`: the plans of a request after earlier plans."""

    def kept(earlier, request):
        return keep_earlier(plan(request), earlier, request, plan, Plugins().registry)

    return kept


def batches(plans):
    return {name: one.batch_size for name, one in plans.configurations.items()}


def test_a_run_of_another_configuration_keeps_what_was_set(plan, kept):
    earlier = plan(PlanRequest(options={"plan": {"batch_size": 3}, "trainer": {"epochs": 5}}))
    found = kept(earlier, PlanRequest(configurations=("2d",)))
    assert found == earlier
    alone = plan(PlanRequest(configurations=("2d",)))
    assert any("3d_fullres.batch_size: 3 instead of 2" in line for line in kept_differences(alone, found))


def test_what_is_set_is_set_beside_what_was_set(plan, kept):
    earlier = plan(PlanRequest(options={"plan": {"batch_size": 3}, "trainer": {"epochs": 5}}))
    found = kept(earlier, PlanRequest(options={"trainer": {"initial_lr": 0.1}}))
    assert found.choices[Kind.TRAINER].options == {"epochs": 5, "initial_lr": 0.1}
    assert found.configurations == earlier.configurations


def test_configurations_that_are_not_named_keep_their_own(plan, kept):
    earlier = plan(PlanRequest(options={"planner": {"memory_gb": 16}}, configurations=("3d_fullres",)))
    request = PlanRequest(options={"plan": {"batch_size": 7}}, configurations=("2d",))
    found = kept(earlier, request)
    assert batches(found) == {"2d": 7, "3d_fullres": batches(earlier)["3d_fullres"]}
    assert found.choices[Kind.PLANNER].options == {"memory_gb": 16}


def test_a_named_component_is_planned_as_it_is(plan, kept):
    earlier = plan(PlanRequest(options={"plan": {"batch_size": 3}, "trainer": {"epochs": 5}}))
    found = kept(earlier, PlanRequest(components={Kind.LOSS: "dice-ce"}))
    assert batches(found) == batches(plan(PlanRequest()))
    assert found.choices[Kind.TRAINER].options == {}


def test_plans_of_another_frame_are_not_mixed(plan, kept):
    earlier = msgspec.structs.replace(plan(PlanRequest(options={"plan": {"batch_size": 3}})), median_shape=(1, 1, 1))
    request = PlanRequest(options={"plan": {"batch_size": 7}}, configurations=("2d",))
    assert batches(kept(earlier, request))["3d_fullres"] == batches(plan(request))["3d_fullres"]


def test_a_notice_has_few_differences(plan):
    alone = plan(PlanRequest())
    changed = {name: msgspec.structs.replace(one, batch_size=1) for name, one in alone.configurations.items()}
    stretched = {name: msgspec.structs.replace(one, median_shape=(1.0,) * 3) for name, one in changed.items()}
    other = msgspec.structs.replace(
        alone, configurations=stretched, median_shape=(9, 9, 9), median_spacing=(2, 2, 2), dataset="Dataset002_B"
    )
    lines = kept_differences(alone, other)
    assert len(lines) == 6
    assert lines[-1].endswith(" more")
