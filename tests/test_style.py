"""Docstrings keep the rules of docs/style.md that a machine can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [*ROOT.glob("c*/src"), *ROOT.glob("plugins/*/src"), *ROOT.glob("docs/examples/*/src"), ROOT / "release"]
QUESTIONS = ("What", "How", "Where", "Of", "Which", "Who", "Whose", "That", "Whether", "When", "Why")
RIDDLES = (" so many ", " of which ", " is told ", " are told ", " in work ", " says of ", " whoever ")


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The line and the first line of each docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield node.body[0].lineno, text.splitlines()[0]


def is_plain(line: str) -> bool:
    """Return whether a first line opens with no question word and has no riddle in it."""
    return line.split(" ", maxsplit=1)[0] not in QUESTIONS and not any(words in f" {line} " for words in RIDDLES)


def test_the_check_finds_what_it_looks_for():
    assert is_plain("Return the label map of a case.")
    assert not is_plain("What a network says of a case.")
    assert not is_plain("Cases of which label maps are missing.")


@pytest.mark.parametrize("folder", SOURCES, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_every_docstring_opens_plainly(folder):
    found = [
        f"{file.relative_to(ROOT)}:{line}: {first}"
        for file in sorted(folder.rglob("*.py"))
        for line, first in docstrings(ast.parse(file.read_text()))
        if not is_plain(first)
    ]
    assert not found, "\n".join(["against docs/style.md:", *found])
