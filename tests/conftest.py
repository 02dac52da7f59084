"""Fixtures that tests of several folders share."""

from __future__ import annotations

import importlib
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data and of nnunetv2's figures beside the checkout."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared (real data and reference figures), which is not here")
    return folder


Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution that holds one plugin: a real dist-info and a module on a folder of sys.path.

    `install("nnplug-x", "x", body)` gives the dist-info's folder; `body` is the plugin's module, in which Component,
    Recipe and hookimpl are imported already. Installing again replaces module and version.
    """
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a module installed again has the same name and second
    modules: list[str] = []

    def install(distribution: str, plugin: str, body: str, *, version: str = "1.0", needs: str = "nnplug-core") -> Path:
        stem = distribution.replace("-", "_")
        module = f"fake_{stem}"
        for old in site.glob(f"{stem}-*.dist-info"):
            shutil.rmtree(old)
        info = site / f"{stem}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nRequires-Dist: {needs}\n"
        (info / "METADATA").write_text(metadata)
        (info / "entry_points.txt").write_text(f"[nnplug]\n{plugin} = {module}\n")
        head = "from nnplug import Component, Recipe, hookimpl\n"
        (site / f"{module}.py").write_text(head + textwrap.dedent(body))
        sys.modules.pop(module, None)
        modules.append(module)
        importlib.invalidate_caches()
        return info

    yield install
    for module in modules:
        sys.modules.pop(module, None)
