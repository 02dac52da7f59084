"""The table of the home page: every figure is that of the measured results, with the machine and the date."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOME = (ROOT / "docs" / "index.md").read_text()
SECTION = re.search(r"^## Speed and memory\n(.*?)^## ", HOME, re.DOTALL | re.MULTILINE)[1]
TITLES = {
    "fingerprint, plan and preprocessing": "preprocess",
    "training step": "step",
    "export of logits to labels": "export",
    "prediction, 60 classes": "predict",
}
"""The home page's name of a benchmark -> its row in bench/rows/."""
LINES = [line.strip("| ").split(" | ") for line in SECTION.splitlines() if line.startswith("| ")][1:]


@pytest.fixture(scope="module")
def measured():
    """Row -> the cells of its lines on the machine that the home page names: case, quantity, figures, .., date."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "bench")
        return lines_of_rows()


def lines_of_rows():
    from harness.page import lines_of
    from harness.results import load_all

    spec = importlib.util.spec_from_file_location("bench_run", ROOT / "bench" / "run.py")
    runner = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(runner)
    (results,) = (one for one in load_all(ROOT / "bench" / "results") if one.machine.title in SECTION)
    found = {}
    for name, row in runner.rows().items():
        kept = results.rows.get(name, {})
        found[name] = [
            cells
            for case in row.cases
            for cells in lines_of(row, case, kept[case.name].result if case.name in kept else None)
        ]
    return found


def test_the_table_has_speed_and_memory_of_every_stage():
    assert {line[0].partition(":")[0] for line in LINES} == set(TITLES)
    assert {"wall time", "memory"} <= {line[1] for line in LINES}


@pytest.mark.parametrize("line", LINES, ids=lambda line: " ".join(line[:2]))
def test_a_line_has_the_measured_figures(line, measured):
    title, _, case = line[0].partition(": ")
    (cells,) = (one for one in measured[TITLES[title]] if list(one[:2]) == [case, line[1]])
    assert line[2:] == list(cells[2:5])
    assert cells[7] in SECTION.partition("\n|")[0], "the date is the one above the table"
