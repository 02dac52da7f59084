"""The reference of the Python API: every public name is on one page, and the example of every page runs.

Public are what `nnplug`, `nnplug.contracts` and `nnplug.testing` list, the errors, and what the examples of other pages
import. A page names them in lines `::: nnplug.NAME`, from which the site makes signature and description.
"""

from __future__ import annotations

import importlib
import re
import sys
import types
from collections import Counter
from pathlib import Path

import pytest

import nnplug
from nnplug import contracts, errors, testing

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((DOCS / "api").glob("*.md"))
STEPS = "nnplug.steps."
"""The functions of the steps are described on docs/python.md."""


def found(path):
    """The object that a dotted path names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def listed():
    """Path -> object of what modules list as public."""
    for module in (nnplug, contracts, testing):
        for name in module.__all__:
            yield f"{module.__name__}.{name}", getattr(module, name)
    for name, one in vars(errors).items():
        if isinstance(one, type) and issubclass(one, errors.NnplugError) and not name.startswith("_"):
            yield f"nnplug.errors.{name}", one


def imported():
    """Path -> object of what examples on pages import from nnplug."""
    for page in DOCS.rglob("*.md"):
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
            for module, names in re.findall(
                r"^from (nnplug(?:_nnunet)?(?:\.\w+)*) import (\([^)]*\)|.*)$", block, re.MULTILINE
            ):
                for name in re.findall(r"\w+", names.partition("#")[0]):
                    yield f"{module}.{name}", found(f"{module}.{name}")


def named():
    """Page and path of every line `::: PATH`."""
    for page in sorted(DOCS.rglob("*.md")):
        for path in re.findall(r"^::: ([\w.]+)$", page.read_text(), re.MULTILINE):
            yield page, path


@pytest.fixture(scope="module")
def described():
    """How often an object is described, by its identity."""
    return Counter(id(found(path)) for _, path in named())


def test_every_public_name_is_on_exactly_one_page(described):
    public = {path: one for path, one in (*listed(), *imported()) if not isinstance(one, types.ModuleType)}
    assert len(public) > 140
    steps = {path for path, one in public.items() if getattr(one, "__module__", "").startswith(STEPS)}
    wrong = {path: described[id(one)] for path, one in public.items() if path not in steps and described[id(one)] != 1}
    assert wrong == {}, "name -> pages that describe it: give it one line `::: PATH` in docs/api/"


def test_the_steps_are_on_their_page():
    steps = {one.__name__ for _, one in listed() if getattr(one, "__module__", "").startswith(STEPS)}
    text = (DOCS / "python.md").read_text() if steps else ""
    assert {name for name in steps if f"nnplug.{name}" not in text} == set()


def test_what_is_described_has_a_docstring():
    described = {path: found(path) for _, path in named()}
    without = [
        path for path, one in described.items() if isinstance(one, type | types.FunctionType) and not one.__doc__
    ]
    assert without == []


@pytest.fixture
def example():
    """A module for an example, since data classes look their module up."""
    module = types.ModuleType("example_of_the_reference")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_example_of_every_page_runs(page, example, documented_dataset, documented_model):
    (text,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert "\nassert " in text
    vars(example).update(dataset=documented_dataset, bundle=documented_model)
    exec(compile(text, str(page), "exec"), vars(example))
