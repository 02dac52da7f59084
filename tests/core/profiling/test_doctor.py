"""What is said of machines, good and bad."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nnplug.profiling.doctor import GB, diagnose, judge, planned_memory
from nnplug.registry.components import Entry, Kind, OfferedRecipe, Recipe, Registry, Source
from nnplug.registry.entries import COMPONENTS, InferenceComponent, PlannerComponent
from nnplug.registry.loader import Plugins
from nnplug.registry.recipes import REQUIRED
from nnplug.runtime.machine import Gpu, Machine, Space

ROOMY = Space(100 * GB, 90 * GB)
TIGHT = Space(100 * GB, GB // 2)
H100 = Gpu("H100", Space(80 * GB, 79 * GB), bf16=True)
GOOD = Machine(
    system="Linux 6",
    python="3.11",
    torch="2.13.0+cu130",
    processor="EPYC",
    cores=16,
    cores_installed=32,
    memory=ROOMY,
    shared_memory=ROOMY,
    disk=ROOMY,
    gpus=(H100,),
    nvidia_driver=True,
    cpu_bf16=True,
)


def limits(memory_target=8.0, **changes):
    findings = judge(dataclasses.replace(GOOD, **changes), Path("work"), memory_target=memory_target)
    return {finding.what: finding.limit for finding in findings if finding.limit is not None}


def found(what, **changes):
    (text,) = [f.found for f in judge(dataclasses.replace(GOOD, **changes), Path("work")) if f.what == what]
    return text


def test_a_good_machine_has_no_limit():
    assert limits() == {}
    assert found("cores") == "16 of 32 (EPYC)"
    assert found("GPU") == "H100, 79.0 of 80.0 GB free"


@pytest.mark.parametrize(
    ("changes", "what", "remedy"),
    [
        ({"cores": 2}, "cores", "augmentation may keep the GPU waiting: it wants about 4 cores"),
        ({"memory": TIGHT}, "memory", "use 1 worker, which"),
        ({"shared_memory": TIGHT, "gpus": (H100, H100)}, "/dev/shm", "--shm-size=8g"),
        ({"gpus": (), "nvidia_driver": True}, "GPU", "install a PyTorch built for CUDA"),
        ({"gpus": (), "nvidia_driver": False}, "GPU", "shorten it by options of its trainer"),
        ({"gpus": (Gpu("GTX", Space(6 * GB, 5 * GB), bf16=False),)}, "GPU", "memory_gb=5"),
        ({"disk": TIGHT}, "disk", "choose a workspace on another disk"),
    ],
)
def test_a_limit_has_its_remedy(changes, what, remedy):
    told = limits(**changes)
    assert set(told) == {what}
    assert remedy in told[what]


def test_few_cores_and_little_shared_memory_are_enough_without_a_gpu():
    assert set(limits(cores=1, shared_memory=TIGHT, gpus=())) == {"GPU"}


def test_what_the_system_does_not_say():
    assert found("/dev/shm", shared_memory=None).startswith("none;")
    assert found("bfloat16", cpu_bf16=False, gpus=()) == "the CPU has none and computes in float32; no GPU"


def test_a_gpu_is_judged_by_the_planners_own_memory_target():
    small = (Gpu("GTX", Space(6 * GB, 5 * GB), bf16=False),)
    assert limits(6.5, gpus=small)["GPU"].startswith("plans are made for 6.5 GB")
    assert limits(5.0, gpus=small) == limits(None, gpus=small) == {}


@pytest.mark.parametrize(
    ("planner", "options", "flag", "expected"),
    [
        ("NnunetPlanner", {}, True, 8.0),
        ("NnunetPlanner", {"memory_gb": 11}, True, 11.0),
        ("ResEncL", {}, True, 24.0),
        ("NnunetPlanner", {}, False, None),
        ("Absent", {}, True, None),
    ],
)
def test_the_memory_target_is_that_of_the_default_recipes_planner(planner, options, flag, expected):
    source = Source("x", "nnplug-x", "1.0")
    entry = Entry(PlannerComponent("p", f"nnplug_nnunet.planning:{planner}", "", plans_for_memory=flag), source)
    others = [kind for kind in REQUIRED if kind is not Kind.PLANNER]
    named = [entry, *(Entry(COMPONENTS[kind]("c", "builtins:dict", ""), source) for kind in others)]
    named.append(Entry(InferenceComponent("c", "builtins:dict", "", implied=True), source))
    recipe = Recipe("r", dict.fromkeys(others, "c") | {"planner": "p"}, "", {"planner": options}, default=True)
    assert planned_memory(Registry(named, [OfferedRecipe(recipe, source)])) == expected
    assert planned_memory(Registry(named)) is None, "no recipe is the default"


def test_this_machine_as_json(tmp_path):
    data = diagnose(tmp_path, Plugins()).data()
    assert [finding["what"] for finding in data["findings"]][:3] == ["software", "cores", "memory"]
    assert data["machine"]["cores"] >= 1
