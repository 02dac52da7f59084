"""Write docs/attributes.md from the classes' own docstrings: `python docs/make_attributes.py > docs/attributes.md`."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator

from nnplug.contracts import LossContext, SamplingContext, TrainingTask
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.labels import Labels
from nnplug.plans.fingerprint import Fingerprint
from nnplug.plans.plans import Configuration, Plans
from nnplug.workspace.case_store import CaseStore, StoredCase
from nnplug.workspace.unlabelled import UnlabelledCase
from nnplug_nnunet.training.batch_settings import BatchSettings
from nnplug_nnunet.training.state import TrainingState

CLASSES = (
    TrainingTask,
    Configuration,
    Labels,
    CaseStore,
    StoredCase,
    UnlabelledCase,
    LossContext,
    SamplingContext,
    TrainingState,
    BatchSettings,
    Dataset,
    CaseFiles,
    Fingerprint,
    Plans,
)
HEAD = """# What components are given

The attributes and methods of the objects that components get most often. Arrays are (C, z, y, x) or (z, y, x).

Made by `python docs/make_attributes.py > docs/attributes.md`; `tests/test_docs.py` says when to make it again."""


def section(described: type) -> str:
    """Return the section of a class: its purpose, a table of its attributes and one of its methods."""
    (node,) = ast.parse(inspect.getsource(described)).body
    assert isinstance(node, ast.ClassDef)
    first = (inspect.getdoc(described) or "").splitlines()[0]
    parts = [f"## `{described.__name__}`", f"`{described.__module__}.{described.__name__}`. {first}"]
    for title, rows in (("attribute", list(_attributes(node, described))), ("method", list(_methods(node)))):
        if rows:
            parts.append("\n".join([f"| {title} | type | |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _attributes(node: ast.ClassDef, described: type) -> Iterator[str]:
    """Yield a row per field, with the text of the docstring's "Attributes:", and per property."""
    texts = _described(inspect.getdoc(described) or "")
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and item.target.id in texts:
            yield _row(item.target.id, ast.unparse(item.annotation), texts[item.target.id])
    for method in _public(node):
        if _is_property(method):
            yield _row(method.name, _result(method), _first_line(method))


def _methods(node: ast.ClassDef) -> Iterator[str]:
    for method in _public(node):
        if not _is_property(method):
            arguments = [a for a in ast.unparse(method.args).split(", ") if a not in ("self", "cls", "/")]
            yield _row(f"{method.name}({', '.join(arguments)})", _result(method), _first_line(method))


def _described(text: str) -> dict[str, str]:
    """Return the entries of "Attributes:" in a docstring: name -> text on one line."""
    _, _, block = text.partition("Attributes:\n")
    entries = re.split(r"^ {4}(\w+): ", block, flags=re.MULTILINE)[1:]
    pairs = zip(entries[::2], entries[1::2], strict=True)
    return {name: " ".join(words.split("\n\n")[0].split()) for name, words in pairs}


def _public(node: ast.ClassDef) -> Iterator[ast.FunctionDef]:
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            yield item


def _is_property(method: ast.FunctionDef) -> bool:
    return any(ast.unparse(one) in ("property", "cached_property") for one in method.decorator_list)


def _result(method: ast.FunctionDef) -> str:
    return ast.unparse(method.returns) if method.returns else ""


def _first_line(method: ast.FunctionDef) -> str:
    return (ast.get_docstring(method) or "").splitlines()[0]


def _row(name: str, annotation: str, text: str) -> str:
    cells = f"`{name}`", f"`{annotation}`", text
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page() -> str:
    """Return the whole page."""
    return "\n\n".join([HEAD, *map(section, CLASSES)]) + "\n"


if __name__ == "__main__":
    print(page(), end="")
