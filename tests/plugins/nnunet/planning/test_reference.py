"""Plans against nnunetv2 2.8.1's: those of ../shared, and a few that bench/oracle/plans.py made."""

import json
from pathlib import Path

import numpy as np
import pytest

from nnplug.dataset.description import DatasetDescription
from nnplug.plans.fingerprint import Fingerprint

GOLDEN = json.loads((Path(__file__).parent / "golden/plans.json").read_text())
COPIED = (
    "n_stages",
    "features_per_stage",
    "kernel_sizes",
    "strides",
    "n_conv_per_stage",
    "n_blocks_per_stage",
    "n_conv_per_stage_decoder",
)


def read(case):
    return (
        Fingerprint.from_data(case["fingerprint"], "fingerprint.json"),
        DatasetDescription.from_data(case["dataset_json"], "dataset.json"),
    )


def test_every_reference_plan_is_the_same(shared, compare, plan):
    differences, plans = {}, 0
    for file in sorted((shared / "reference" / "plans").glob("*.json")):
        case = json.loads(file.read_text())
        for planner, theirs in case["plans"].items():
            plans += 1
            if found := compare.plans(plan(*read(case), planner).data(), theirs):
                differences[file.name, planner] = found
    assert plans >= 24
    assert differences == {}


@pytest.mark.parametrize("case", GOLDEN, ids=[f"{c['kind']}-{c['planner']}" for c in GOLDEN])
def test_golden_plans_are_the_same(case, plan):
    options = {"memory_gb": case["memory_gb"], "transpose": case["transpose"]}
    ours, theirs = plan(*read(case), case["planner"], **options).data(), case["plans"]
    assert [ours["transpose_forward"], ours["transpose_backward"]] == [
        theirs["transpose_forward"],
        theirs["transpose_backward"],
    ]
    assert set(ours["configurations"]) == set(theirs["configurations"])
    for name, their in theirs["configurations"].items():
        their = {**theirs["configurations"].get(their.get("inherits_from"), {}), **their}
        check(ours["configurations"][name], their)


def check(our, their):
    for key in ("patch_size", "batch_size", "batch_dice"):
        assert our[key] == their[key], key
    np.testing.assert_allclose(our["spacing"], their["spacing"], rtol=1e-12)
    np.testing.assert_allclose(our["median_shape"], their["median_image_size_in_voxels"], rtol=1e-12)
    assert [n["use_mask"] for n in our["normalization"]] == their["use_mask_for_norm"]
    arguments = their["architecture"]["arch_kwargs"]
    assert our["architecture"]["options"] == {key: arguments[key] for key in COPIED if key in arguments}
    for stage in ("previous_stage", "next_stage"):
        assert our.get(stage) == their.get(stage)
