"""Execute docs/notebooks/NAME.py and write NAME.ipynb beside it, with its pictures; `make notebook` calls this.

The text of a notebook is its .py file, in the percent format of jupytext. Nobody edits the .ipynb.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent / "notebooks"


def read(source: Path) -> nbformat.NotebookNode:
    """Return the notebook of a .py file without outputs; cells have numbers as their ids."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def execute(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Execute a notebook in a folder; outputs have no times and no paths of this machine.

    Raises:
        CellExecutionError: a cell raised an exception.
    """
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata.pop("language_info", None)  # it has the version of Python


def main() -> None:
    """Write every notebook."""
    for source in sorted(NOTEBOOKS.glob("*.py")):
        notebook = read(source)
        with tempfile.TemporaryDirectory() as folder:
            execute(notebook, Path(folder))
        nbformat.write(notebook, source.with_suffix(".ipynb"))


if __name__ == "__main__":
    main()
