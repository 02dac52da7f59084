"""The planner's estimate of a loss over classes is the memory that is counted, and plans leave room for it if asked."""

from __future__ import annotations

import pytest
import torch

from nnplug.dataset.description import DatasetDescription
from nnplug.profiling.memory.training import count_training
from nnplug.registry.components import Kind, Registry
from nnplug_nnunet.planning.class_memory import ClassMemory

CUBE = (1.5, 1.5, 1.5), (150, 250, 250)


def described(classes):
    data = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, **{f"c{i}": i for i in range(1, classes)}},
        "numTraining": 100,
        "file_ending": ".nii.gz",
    }
    return DatasetDescription.from_data(data, "dataset.json")


@pytest.fixture
def planned(plan, fingerprint):
    """`planned(105, count_classes=True)`: plans for this number of classes."""
    return lambda classes, **options: plan(
        fingerprint(*CUBE, cases=100),
        described(classes),
        choices={"trainer": "nnunet", "augmenter": "nnunet"},
        **options,
    )


def test_with_few_classes_the_option_changes_nothing(planned, heard):
    assert planned(3, count_classes=True) == planned(3)
    assert planned(30, count_classes=True).configurations == planned(30).configurations
    assert heard.notices == []


def test_many_classes_are_warned_of_in_one_line(planned, heard):
    planned(200)
    (line,) = [line for line in heard.warnings if line.startswith("3d_fullres")]
    assert "200 outputs" in line
    assert line.endswith("the plan is for 8 GB. Set planner.count_classes=true in options.")


@pytest.mark.parametrize("classes", [200, 400])
def test_with_the_option_the_plan_fits(planned, heard, classes):
    wide, fitting = (planned(classes, count_classes=count).configurations for count in (False, True))
    for name in ("2d", "3d_fullres"):
        sizes = [torch.Size(c[name].patch_size).numel() * c[name].batch_size for c in (wide, fitting)]
        assert sizes[1] < sizes[0]
    assert len([line for line in heard.warnings if line.startswith("3d_fullres")]) == 1, "for the plan without it"


@pytest.mark.parametrize("classes", [60, 200])
def test_the_estimate_is_what_is_counted(planned, registry, classes):
    plans = planned(classes)
    full, components = (
        plans.configuration("3d_fullres"),
        Registry(e for e in registry if e.kind is not Kind.ACCELERATOR),
    )
    made = components.create(Kind.ARCHITECTURE, full.architecture.name, full.architecture.options)
    elements = made.feature_map_elements(full.patch_size, channels=1, heads=classes)
    found = count_training(plans, "3d_fullres", described(classes), components, torch.device("cuda"))
    estimated = ClassMemory(classes, 8).gigabytes(elements, full.patch_size, full.batch_size)
    assert estimated == pytest.approx(found.step / 2**30, rel=0.1)
