"""bench/gpu_check.py: its sections on a CPU, and the page that it makes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))

from gpu.page import with_measured  # noqa: E402 - the folder of the script is no package
from gpu.row import Row  # noqa: E402

CHECK = ROOT / "bench" / "gpu_check.py"
PAGE = ROOT / "docs" / "gpu.md"


def rehearse(folder, *sections, match="^layer by layer$", dataset=None):
    out = folder / "rows.jsonl"
    where = [] if dataset is None else ["--dataset", dataset]
    command = [sys.executable, CHECK, "--device", "cpu", "--tiny", "--match", match, *where, "--out", out, *sections]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    rows = [Row.from_data(json.loads(line)) for line in out.read_text().splitlines()]
    failed = [f"{row.section}: {row.note}" for row in rows if row.what == "the section"]
    assert not failed, f"{failed}\n{done.stderr}"
    assert {row.section for row in rows} == set(sections)
    return rows


@pytest.mark.slow
def test_every_figure_with_a_bound_is_right_on_the_cpu(tmp_path):
    rows = [row for row in rehearse(tmp_path, "machine", "amp", "resume") if row.has_bound]
    assert len(rows) >= 7
    assert [row.what for row in rows if not row.is_right] == []


@pytest.mark.slow
def test_chosen_variants_of_a_step_are_measured(tmp_path):
    rows = rehearse(tmp_path, "machine", "step")
    assert {row.unit for row in rows if row.section == "step"} == {"ms", "GiB"}


@pytest.mark.slow
def test_parity_and_prediction_run_on_the_cpu(tmp_path):
    rows = rehearse(tmp_path, "parity", "predict", "fitting")
    assert [row.what for row in rows if row.has_bound and not row.is_right] == []


@pytest.mark.slow
def test_the_command_is_measured_with_a_dataset(tmp_path, shared):
    epoch, *_, dice = rehearse(tmp_path, "epoch", "dice", dataset=shared / "data" / "Dataset004_Hippocampus")
    assert epoch.value > 0
    assert 0 <= dice.value <= 1


def test_sections_without_what_they_need_say_so(tmp_path):
    rows = rehearse(tmp_path, "epoch", "epoch_nnunetv2", "dice")
    assert [row.value for row in rows] == [None] * 3
    assert rows[0].note == "the dataset is not here"


def test_a_section_that_fails_is_a_row_with_its_last_words(tmp_path):
    out = tmp_path / "rows.jsonl"
    command = [sys.executable, CHECK, "--device", "cpu", "--tiny", "--seconds", "0", "--out", out, "step"]
    subprocess.run(command, capture_output=True, check=True, cwd=tmp_path)
    (row,) = (Row.from_data(json.loads(line)) for line in out.read_text().splitlines())
    assert (row.section, row.value) == ("step", None)
    assert row.note.startswith("stopped after")


@pytest.mark.parametrize(
    ("value", "at_most", "at_least", "right"),
    [(1.0, 1.0, None, True), (1.1, 1.0, None, False), (0.9, None, 1.0, False), (float("nan"), 1.0, None, False)],
)
def test_a_figure_is_right_within_its_bounds(value, at_most, at_least, right):
    row = Row(section="a", what="b", value=value, at_most=at_most, at_least=at_least)
    assert row.is_right is right


def test_the_page_is_that_of_the_kept_results():
    results = sorted((ROOT / "bench" / "results" / "gpu").glob("*.jsonl"))
    assert PAGE.read_text() == with_measured(PAGE.read_text(), results), "run `python bench/gpu_check.py --page`"


def test_missing_sections_are_not_measured_yet(tmp_path):
    (tmp_path / "t4.jsonl").write_text(Row(section="amp", what="steps", value=2, at_most=1).line() + "\n")
    text = with_measured("<!-- measured -->\n<!-- /measured -->\n", [tmp_path / "t4.jsonl"])
    assert "### T4" in text
    assert "| steps | 2 | at most 1 | WRONG |" in text
    assert "**A training step of nnplug**: not measured yet" in text
