"""Axes along which classes lie in one order are told; the recipe `fast` does not mirror them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from nnplug import Plugins
from nnplug.dataset.dataset import Dataset
from nnplug.io.images import Geometry, write_image, write_label
from nnplug.pipeline.request import RunRequest, Step
from nnplug.pipeline.run import run
from nnplug.preparation.plan_request import PlanRequest
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.workspace.layout import Workspace
from nnplug_nnunet.training.class_order import Order, orders

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def cases(*steps, count=20, noise=0.2):
    """Cases of two classes; `steps` are (z, y, x) from a to b, one for each case, repeated, with some noise."""
    random, origin = np.random.default_rng(0), np.array([5.0, 5.0, 5.0])
    return [
        {"a": origin, "b": origin + steps[number % len(steps)] + random.normal(0, noise, 3)} for number in range(count)
    ]


def test_an_axis_has_the_order_that_nearly_all_cases_have():
    assert orders(cases((0, 3, -2)), 3) == [Order(-2, "a", "b", 20, 20), Order(-1, "b", "a", 20, 20)]
    assert orders(cases((1, 3, 3)), 2) == [Order(-2, "a", "b", 20, 20), Order(-1, "a", "b", 20, 20)]


def test_either_order_is_none():
    assert orders(cases((1, 1, 1), (-1, -1, -1)), 3) == []


def test_one_exception_in_many_cases_is_allowed_and_more_are_not():
    right, wrong = (1, 0, 0), (-1, 0, 0)
    assert orders(cases(*[right] * 19, wrong), 3) == [Order(-3, "a", "b", 19, 20)]
    assert orders(cases(*[right] * 18, wrong, wrong), 3) == []


def test_few_cases_have_an_order_only_if_their_steps_are_alike():
    """Of 6 cases, all agree along an axis by chance once in 32 times; along three axes much more often."""
    assert len(orders(cases((9, 9, 9), count=6), 3)) == 3
    assert orders(cases((9, 9, 9), count=4), 3) == []
    steps = [(0.1, 1, 9), (9, 0.1, 1), (1, 9, 0.1), (0.1, 0.2, 0.4), (4, 5, 6), (2, 7, 1)]
    assert orders(cases(*steps, count=6, noise=0), 3) == []


def test_random_places_have_no_order():
    random = np.random.default_rng(1)
    for count in (5, 8, 20, 100):
        for _ in range(20):
            found = [{key: random.uniform(0, 100, 3) for key in "abcd"} for _ in range(count)]
            assert orders(found, 3) == []


def test_the_pair_that_most_cases_have_is_told():
    found = [
        {**case, **({"c": np.full(3, 20.0)} if n < 16 else {})} for n, case in enumerate(cases((1, 1, 1), count=30))
    ]
    assert [(order.before, order.behind, order.cases) for order in orders(found, 3)] == [("a", "b", 30)] * 3


def test_classes_that_are_alone_and_cases_without_any_have_no_order():
    assert orders([{"a": np.zeros(3)}] * 30, 3) == orders([{}] * 30, 3) == orders([], 3) == []


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """`trained(configuration)`: the run of a dataset in which class 1 lies before class 2 along y, and its notices."""
    folder = tmp_path_factory.mktemp("raw") / "Dataset001_Order"
    geometry = Geometry((12, 16, 14), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), IDENTITY)
    random = np.random.default_rng(0)
    for number in range(16):
        label = np.zeros(geometry.shape, np.uint8)
        z, x = random.integers(0, 8, 2)
        label[z : z + 4, 3:7, x : x + 4] = 1
        z, x = random.integers(0, 8, 2)
        label[z : z + 4, 9:13, x : x + 4] = 2
        image = (label + random.normal(size=label.shape)).astype(np.float32)
        write_image(folder / "imagesTr" / f"c{number:02d}_0000.nii.gz", image, geometry)
        write_label(folder / "labelsTr" / f"c{number:02d}.nii.gz", label, geometry)
    description = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "back": 2, "front": 1}}
    description |= {"numTraining": 16, "file_ending": ".nii.gz"}
    (folder / "dataset.json").write_text(json.dumps(description))
    dataset, root = Dataset.open(folder), tmp_path_factory.mktemp("work")

    def train(configuration, recipe="fast", **trainer):
        told = []

        class Heard(Silent):
            def notice(self, message):
                told.append(str(message))

        options = {
            "planner": {"base_features": 4, "max_features": 8},
            "plan": {"patch_size": [8, 8, 8][: 3 if configuration == "3d_fullres" else 2], "batch_size": 2},
            "trainer": {"epochs": 1, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1, **trainer},
        }
        plan = PlanRequest(recipe=recipe, options=options, configurations=(configuration,))
        workspace = Workspace(root / recipe / configuration, dataset.name)
        request = RunRequest(dataset, workspace, plan, folds=(0,), until=Step.TRAIN, fresh=True)
        run(request, replace(Runtime(Plugins(), LocalExecutor(1), "cpu", workers=1), progress=Heard()))
        (record,) = workspace.folder.glob("runs/*/*/fold_0/run.json")
        return json.loads(record.read_text()), told

    return train


ORDER = "'front' lies before 'back' along axis -2 in 16 of 16 cases"


def of_mirroring(told):
    return [message for message in told if "are mirrored" in message or "is not mirrored" in message]


@pytest.mark.parametrize(("configuration", "mirrored"), [("3d_fullres", [0, 2]), ("2d", [1])])
def test_the_recipe_mirrors_no_axis_with_an_order_and_says_so(trained, configuration, mirrored):
    record, told = trained(configuration)
    assert record["mirror_axes"] == mirrored
    assert of_mirroring(told) == [f"axis -2 is not mirrored (trainer.keep_order): {ORDER}"]


@pytest.mark.parametrize("choice", [{"recipe": "nnunet"}, {"keep_order": False}])
def test_an_axis_with_an_order_that_is_mirrored_is_told_with_the_option(trained, choice):
    record, told = trained("3d_fullres", **choice)
    assert record["mirror_axes"] == [0, 1, 2]
    (line,) = of_mirroring(told)
    assert f"patches are mirrored, so that the network cannot learn where classes lie: {ORDER}" in line
    assert "trainer.unmirrored_axes=[-2]" in line


@pytest.mark.parametrize(("options", "mirrored"), [({"unmirrored_axes": [-2]}, [0, 2]), ({"mirroring": False}, [])])
def test_nothing_is_told_of_axes_that_are_not_mirrored(trained, options, mirrored):
    record, told = trained("3d_fullres", recipe="nnunet", **options)
    assert record["mirror_axes"] == mirrored
    assert of_mirroring(told) == []
