"""The text of a module is read without an import."""

from __future__ import annotations

import sys

import pytest

from nnplug.registry.module_text import may_implement


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Packages whose import raises."""
    folder = tmp_path / "fake_text" / "inner"
    folder.mkdir(parents=True)
    for file in (folder.parent / "__init__.py", folder / "__init__.py"):
        file.write_text("raise RuntimeError")
    (folder / "plugin.py").write_text("raise RuntimeError\ndef nnplug_commands(): ...")
    (folder / "other.py").write_text("raise RuntimeError\ndef nnplug_trainers(): ...")
    monkeypatch.syspath_prepend(tmp_path)
    return "fake_text.inner"


def test_the_word_is_found_without_an_import(package):
    assert may_implement(f"{package}.plugin", "nnplug_commands")
    assert not may_implement(f"{package}.other", "nnplug_commands")
    assert not [name for name in sys.modules if name.startswith("fake_text")]


def test_what_cannot_be_read_may_have_it(package):
    assert may_implement(f"{package}.nothere", "nnplug_commands")
    assert may_implement("sys", "nnplug_commands")
