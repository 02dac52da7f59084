"""Notebooks are made from the .py files beside them, were executed without errors, and run."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "docs" / "notebooks").glob("*.py"))
LARGEST = 300_000
"""Bytes of a notebook with its pictures."""


def load_maker():
    spec = importlib.util.spec_from_file_location("make_notebook", ROOT / "docs" / "make_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maker = load_maker()


def texts(output):
    """Return the text of an output, without pictures."""
    if output.output_type == "stream":
        return output.text
    return "\n".join(text for kind, text in output.get("data", {}).items() if kind.startswith("text/"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_has_the_cells_of_its_source_and_what_they_gave(source):
    wanted = maker.read(source).cells
    target = source.with_suffix(".ipynb")
    found = nbformat.read(target, as_version=4)
    nbformat.validate(found)
    assert [(cell.cell_type, cell.source) for cell in found.cells] == [(cell.cell_type, cell.source) for cell in wanted]
    outputs = [output for cell in found.cells if cell.cell_type == "code" for output in cell.outputs]
    assert all(cell.execution_count for cell in found.cells if cell.cell_type == "code")
    assert {output.output_type for output in outputs} <= {"stream", "execute_result", "display_data"}
    assert all(output.get("name") != "stderr" for output in outputs), "warnings are no part of a page"
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert not re.search(r"(^|[^\w])/(tmp|home|root|work)/", "\n".join(map(texts, outputs)))
    assert target.stat().st_size < LARGEST


def text_of(notebook):
    return "\n".join(texts(output) for cell in notebook.cells for output in cell.get("outputs", ()))


def shortened(notebook):
    """Return the notebook with a training of one epoch of two iterations, and a few cases."""
    replaced = (("epochs", 1), ("iterations_per_epoch", 2), ("val_iterations_per_epoch", 1))
    for cell in notebook.cells:
        for name, value in replaced:
            cell.source = re.sub(rf'("trainer.{name}": )\d+', rf"\g<1>{value}", cell.source)
        cell.source = re.sub(r"cases=\d+", "cases=5", cell.source)
    return notebook


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_cell_of_a_notebook_runs(source, tmp_path):
    notebook = shortened(maker.read(source))
    maker.execute(notebook, tmp_path)
    assert "mean Dice of 2 new images" in text_of(notebook)


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_runs_and_its_model_has_learned(source, tmp_path):
    notebook = maker.read(source)
    maker.execute(notebook, tmp_path)
    (dice,) = re.findall(r"mean Dice of 2 new images: ([\d.]+)", text_of(notebook))
    assert float(dice) > 0.5
