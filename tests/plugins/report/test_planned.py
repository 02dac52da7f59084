"""Plans in words come from their own fields; components speak for themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import nnplug_report
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import read_plans
from nnplug_report.planned import describe_components, describe_configuration, describe_data


def test_a_configuration_is_told_with_its_measurements(workspace, runtime):
    plans, fingerprint = read_plans(workspace / "plans/nnunet.json"), Fingerprint.read(workspace / "fingerprint.json")
    told = describe_configuration(plans, "2d", ("T1", "T2"), fingerprint, runtime.registry)
    values = {one.what.partition(" (")[0]: one for one in told.decisions}
    assert values["Patch"].value == "16 x 16 voxels"
    assert values["Batch"].value == "2 patches per training step"
    assert values["Voxel spacing"].value.endswith(" mm")
    assert "Normalisation of channel 'T1'" in values
    assert values["Network"].value == plans.configuration("2d").architecture.name
    assert dict(told.network).keys() == plans.configuration("2d").architecture.options.keys()
    measured = {one.what: one.value for one in describe_data(plans, ("T1", "T2"), fingerprint)}
    assert measured["Cases measured"] == "4"
    kinds = [one.kind for one in describe_components(plans, runtime.registry)]
    assert {"planner", "trainer", "extractor"} <= set(kinds)


def test_components_without_an_entry_have_no_words(workspace, runtime):
    plans = read_plans(workspace / "plans/nnunet.json")
    from nnplug.registry.components import Registry

    told = describe_components(plans, Registry([]))
    assert {one.summary for one in told} == {""}
    assert all(one.source.startswith("nnplug-") for one in told)


def test_no_source_names_a_plugin():
    for file in Path(nnplug_report.__file__).parent.glob("*.py"):
        texts = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]
        assert not [text for text in texts if isinstance(text, str) and "nnunet" in text.lower()], file
