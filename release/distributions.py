"""The distributions of this repository, and what their pyproject.toml say."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
COMMAND = "nnplug"
"""The distribution that users install."""


@dataclass(frozen=True)
class Distribution:
    """A folder with a pyproject.toml that is released under a name of its own."""

    folder: Path

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """Everything in pyproject.toml."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text())

    @property
    def project(self) -> dict[str, Any]:
        """The table `project`."""
        project: dict[str, Any] = self.pyproject["project"]
        return project

    @property
    def name(self) -> str:
        """The name for pip."""
        return str(self.project["name"])

    @property
    def package(self) -> Path:
        """The folder of its only package, `.../src/NAME`."""
        (package,) = (file.parent for file in self.folder.glob("src/*/__init__.py"))
        return package

    @property
    def extras(self) -> dict[str, list[str]]:
        """Extra -> requirements."""
        return dict(self.project.get("optional-dependencies", {}))

    def requirements(self) -> list[str]:
        """Return its dependencies and those of its extras."""
        return [*self.project["dependencies"], *(line for lines in self.extras.values() for line in lines)]


def version() -> str:
    """Return the version that every distribution has."""
    return (ROOT / "VERSION").read_text().strip()


def distributions() -> tuple[Distribution, ...]:
    """Return every distribution, those before it that it may need: core, plugins, command."""
    plugins = sorted(file.parent for file in ROOT.glob("plugins/*/pyproject.toml") if file.parent.name != "_template")
    return tuple(Distribution(folder) for folder in (ROOT / "core", *plugins, ROOT / "cli"))
