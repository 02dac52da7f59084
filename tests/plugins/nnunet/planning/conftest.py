"""Planning without a stage around it."""

from __future__ import annotations

import importlib.util

import pytest

from nnplug import Kind, Plugins
from nnplug.contracts import PlanningContext
from nnplug.dataset.description import DatasetDescription
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Choice
from nnplug.runtime.progress import Silent

STATISTICS = {
    "mean": 30.0,
    "median": 40.0,
    "std": 80.0,
    "min": -1000.0,
    "max": 1200.0,
    "percentile_00_5": -200.0,
    "percentile_99_5": 600.0,
}
PLANNERS = {
    "default": "nnunet",
    "resenc_m": "nnunet-resenc-m",
    "resenc_l": "nnunet-resenc-l",
    "resenc_xl": "nnunet-resenc-xl",
}


class Heard(Silent):
    """Keeps notices and warnings."""

    def __init__(self):
        self.notices, self.warnings = [], []

    def notice(self, message):
        self.notices.append(message)

    def warning(self, message):
        self.warnings.append(message)


@pytest.fixture(scope="session")
def registry():
    return Plugins().registry


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def plan(registry, heard):
    """`plan(fingerprint, description, "resenc_m", memory_gb=16)` gives plans; `choices` name other components."""

    def plan(fingerprint, description, planner="default", *, choices=None, architecture_options=None, **options):
        named = {kind: Choice(name=name) for kind, name in (choices or {}).items()}
        context = PlanningContext(
            dataset="Dataset001_A",
            name="plans",
            recipe="nnunet",
            choices={Kind.PLANNER: Choice(name=PLANNERS[planner]), **named},
            registry=registry,
            architecture_options=architecture_options or {},
            progress=heard,
        )
        return registry.create(Kind.PLANNER, PLANNERS[planner], options).plan(fingerprint, description, context)

    return plan


@pytest.fixture
def fingerprint():
    """`fingerprint(spacing, shape)` of ten equal cases of one channel."""

    def make(spacing=(1.0, 1.0, 1.0), shape=(160, 160, 160), *, cases=10, channels=1, relative_size=1.0):
        data = {
            "spacings": [spacing] * cases,
            "shapes_after_crop": [shape] * cases,
            "foreground_intensity_properties_per_channel": {str(c): STATISTICS for c in range(channels)},
            "median_relative_size_after_cropping": relative_size,
        }
        return Fingerprint.from_data(data, "fingerprint.json")

    return make


@pytest.fixture
def description():
    """`description("CT", "T1")` names channels of a dataset of ten cases and one class."""

    def make(*channels, cases=10):
        data = {
            "channel_names": {str(i): name for i, name in enumerate(channels or ("CT",))},
            "labels": {"background": 0, "a": 1},
            "numTraining": cases,
            "file_ending": ".nii.gz",
        }
        return DatasetDescription.from_data(data, "dataset.json")

    return make


@pytest.fixture(scope="session")
def compare(shared):
    """The comparison that the reference figures came with."""
    spec = importlib.util.spec_from_file_location("compare", shared / "reference" / "compare.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
