"""Planning for one large CT fingerprint whose plans have a cascade."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from harness.row import Case, Goal, Inside, Row, Work

OURS = {"default": "nnunet", "resenc_l": "nnunet-resenc-l"}
CASES = 40
STATISTICS = {
    "max": 3000.0,
    "mean": 80.0,
    "median": 90.0,
    "min": -1000.0,
    "percentile_00_5": -50.0,
    "percentile_99_5": 250.0,
    "std": 60.0,
}


def asked(planner: str) -> dict[str, Any]:
    """A fingerprint of abdominal CT and its dataset, as `bench/oracle/plans.py` takes it."""
    return {
        "planner": planner,
        "fingerprint": {
            "spacings": [[0.8 + 0.05 * (i % 5), 0.8, 0.8] for i in range(CASES)],
            "shapes_after_crop": [[420 + 10 * (i % 7), 512, 512] for i in range(CASES)],
            "median_relative_size_after_cropping": 1.0,
            "foreground_intensity_properties_per_channel": {"0": STATISTICS},
        },
        "dataset_json": {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, **{f"organ{i}": i for i in range(1, 15)}},
            "numTraining": CASES,
            "file_ending": ".nii.gz",
            "overwrite_image_reader_writer": "SimpleITKIO",
        },
    }


def ours(planner: str) -> Work:
    """Plan in memory."""
    from nnplug import Kind, Plugins
    from nnplug.dataset.description import DatasetDescription
    from nnplug.plans.fingerprint import Fingerprint
    from nnplug.preparation.make_plans import make_plans
    from nnplug.preparation.plan_request import PlanRequest

    data, plugins = asked(planner), Plugins()
    description = DatasetDescription.from_data(data["dataset_json"], "bench")

    request = PlanRequest(components={Kind.PLANNER: OURS[planner]})

    def work() -> None:
        fingerprint = Fingerprint.from_data(data["fingerprint"], "bench")
        plans = make_plans(fingerprint, description, request, dataset="bench", plugins=plugins)
        assert "3d_cascade_fullres" in plans.configurations

    work()  # imports, which the peer has behind it as well
    return work


def theirs(planner: str) -> Work:
    """nnU-Net's own planner; what it reads and writes around the planning is left out."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "oracle"))
    from plans import plan

    def work() -> dict[str, float]:
        plans, seconds = plan(asked(planner), 1)
        assert "3d_cascade_fullres" in plans["configurations"]
        return {"seconds": seconds}

    return work


ROW = Row(
    title="planning one large CT fingerprint with cascade",
    ours=Inside(ours),
    theirs=Inside(theirs),
    rounds=2,
    warm_up=0,
    cases=tuple(Case(f"planner {name}", {"planner": name}, goals=(Goal("seconds", 0.02),)) for name in OURS),
)
