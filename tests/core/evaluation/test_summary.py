"""Summaries in files: those of nnplug and nnU-Net are read, others are named with the fault."""

from __future__ import annotations

import json
import math

import pytest

from nnplug.errors import InvalidFile
from nnplug.evaluation.summary import read_summary

CASE = {"metrics": {"1": {"Dice": 0.5}}, "prediction_file": "p/a.nii.gz", "reference_file": "r/a.nii.gz"}
SUMMARY = {"foreground_mean": {"Dice": 0.5}, "mean": {"1": {"Dice": None}}, "metric_per_case": [CASE]}

FAULTS = {
    "no object": ([1], r"expected an object {..}, got \[1\]"),
    "no cases": ({k: v for k, v in SUMMARY.items() if k != "metric_per_case"}, "missing required field"),
    "no number": ({**SUMMARY, "mean": {"1": {"Dice": [1]}}}, r"Expected 'float \| null', got 'array'"),
    "no figures": ({**SUMMARY, "metric_per_case": [{**CASE, "metrics": {"1": True}}]}, "Expected 'object', got 'bool'"),
    "no class": ({**SUMMARY, "mean": {"2": {"Dice": 1.0}}}, "has no Dice of '1'; score the predictions again"),
    "no figure": ({**SUMMARY, "foreground_mean": {}}, "has no Dice of '1'"),
}


@pytest.mark.parametrize(("content", "words"), FAULTS.values(), ids=FAULTS)
def test_each_fault_names_the_file(content, words, tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps(content))
    with pytest.raises(InvalidFile, match=rf"summary\.json: .*{words}"):
        read_summary(tmp_path / "summary.json", ["1"])


def test_null_is_nan_and_other_keys_stay(tmp_path):
    (tmp_path / "summary.json").write_text(json.dumps({**SUMMARY, "own": 1}))
    summary = read_summary(tmp_path / "summary.json", ["1"])
    assert math.isnan(summary["mean"]["1"]["Dice"])
    assert (summary["own"], summary["metric_per_case"]) == (1, [CASE])
