"""What `.importlinter` cannot say: imports of command lines stay inside functions, and every library is declared.

Every source file is read as syntax. Imports under `if TYPE_CHECKING:` are free: they do not run.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NUMERICS = {"numpy", "torch", "scipy", "SimpleITK"}
SCREEN = {"click", "rich"}
COMMANDS_OF_PLUGINS = {
    "nnplug_export": "nnplug_export.commands",
    "nnplug_hub": "nnplug_hub.commands",
    "nnplug_nnssl": "nnplug_nnssl.commands",
    "nnplug_nnunet": "nnplug_nnunet.commands",
    "nnplug_report": "nnplug_report.commands",
    "nnplug_server": "nnplug_server.commands",
}
"""Plugins that offer commands, and the module of each that may import click for them."""

DRAWING = {"nnplug.pictures", "nnplug.training"}
"""Packages of the core that draw pictures."""

COMMAND_LINES = {"nnplug_cli": set(), "nnplug_nnunetv2_commands": {"nnplug_cli"}}
"""Packages that are command lines, and which other ones each may import."""

LIGHT = {
    "nnplug.errors",
    "nnplug.remedies",
    "nnplug.words",
    "nnplug.hookspecs",
    "nnplug.plans.overrides",
    "nnplug.registry",
    "nnplug.runtime.process",
    "nnplug.steps.choices",
    "nnplug.workspace.layout",
}
"""Modules of the core that command lines may import at their start: help and listings answer at once."""

LATE = {"nnplug_cli.demo"}
"""Modules of command lines that are themselves imported inside functions only."""

TEMPLATE = "nnplug_acme"

LIBRARIES = {
    "nnplug-core": "nnplug",
    "nnplug": "nnplug_cli",
    "mlflow-skinny": "mlflow",
    "pillow": "PIL",
    "scikit-image": "skimage",
    "simpleitk": "SimpleITK",
    "tensorboardx": "tensorboardX",
}
"""Distributions whose import name differs from their own."""


@dataclass(frozen=True)
class Import:
    """A module that a line of a file imports."""

    file: Path
    line: int
    name: str
    top_level: bool


@dataclass(frozen=True)
class Package:
    """A distribution's source folder.

    Attributes:
        folder: of the package, `.../src/NAME`.
        declared: import names of the distribution's dependencies.
    """

    folder: Path
    declared: frozenset[str]

    @classmethod
    def of(cls, distribution: Path) -> Package:
        project = tomllib.loads((distribution / "pyproject.toml").read_text())["project"]
        lines = [*project["dependencies"], *chain(*project.get("optional-dependencies", {}).values())]
        names = [re.split(r"[<>=!~ \[;]", line, maxsplit=1)[0].lower() for line in lines]
        imports = {LIBRARIES.get(n, n.replace("-", "_")) for n in names}
        folder = next(path for path in (distribution / "src").iterdir() if (path / "__init__.py").exists())
        return cls(folder, frozenset(imports))

    @property
    def name(self) -> str:
        return self.folder.name

    def violations(self) -> list[str]:
        """Every import that the table does not allow, a line each."""
        files = (file for file in sorted(self.folder.rglob("*.py")) if "template" not in file.parts)
        lines = (self._violation(self.module(file), one) for file in files for one in imports(file, self.module(file)))
        return [line for line in lines if line]

    def module(self, file: Path) -> str:
        parts = file.relative_to(self.folder.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _violation(self, module: str, one: Import) -> str | None:
        reason = self._reason(module, one)
        return reason and f"{one.file}:{one.line}: {module} imports {one.name}: {reason}"

    def _reason(self, module: str, one: Import) -> str | None:
        if one.name.partition(".")[0] in sys.stdlib_module_names:
            return None
        early = self.name in COMMAND_LINES and one.top_level and module not in LATE
        if early and begins(one.name, {"nnplug", "nnplug_nnunet"}):
            return None if begins(one.name, LIGHT) else "inside functions only"
        if one.name.startswith("matplotlib") and self.name == "nnplug" and not begins(module, DRAWING):
            return "only packages that draw"
        if one.name.startswith("click") and module == COMMANDS_OF_PLUGINS.get(self.name):
            return None if begins(one.name, self.declared) else "its distribution is not declared"
        if begins(one.name, self._forbidden()):
            return "not here"
        return None if begins(one.name, {*self.declared, self.name}) else "its distribution is not declared"

    def _forbidden(self) -> set[str]:
        if self.name not in COMMAND_LINES:
            return SCREEN | set(COMMAND_LINES)
        return NUMERICS | {"matplotlib"} | set(COMMAND_LINES) - COMMAND_LINES[self.name] - {self.name}


def begins(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imports(file: Path, module: str) -> Iterator[Import]:
    """The imports of a file that run; `from a import b` counts as a.b where a is nnplug itself."""
    package = module if file.stem == "__init__" else module.rpartition(".")[0]
    yield from _walk(ast.parse(file.read_text()), file, package, top_level=True)


def _walk(node: ast.AST, file: Path, package: str, *, top_level: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        for name in _names(child, package):
            yield Import(file, child.lineno, name, top_level)
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, file, package, top_level=top_level and not inside)


def _names(node: ast.AST, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    parents = package.split(".")
    start = parents[: len(parents) - node.level + 1] if node.level else []
    source = ".".join([*start, *([node.module] if node.module else [])])
    return [f"{source}.{alias.name}" for alias in node.names] if source.count(".") == 0 else [source]


def distributions() -> list[Path]:
    return sorted(path.parent for path in [*ROOT.glob("c*/pyproject.toml"), *ROOT.glob("plugins/*/pyproject.toml")])


def test_every_import_is_allowed():
    packages = [Package.of(folder) for folder in distributions()]
    assert {"nnplug", "nnplug_cli", "nnplug_nnunet", "nnplug_brats"} <= {package.name for package in packages}
    violations = [line for package in packages for line in package.violations()]
    assert not violations, "\n".join(["imports against docs/architecture.md:", *violations])


def test_import_linter_watches_every_package():
    settings = ConfigParser()
    settings.read(ROOT / ".importlinter")
    watched = settings["importlinter"]["root_packages"].split()
    assert sorted(watched) == sorted({Package.of(folder).name for folder in distributions()} - {TEMPLATE})


@pytest.fixture
def package(tmp_path):
    """Write a package with one module and give its violations."""

    def make(
        name,
        module,
        source,
        dependencies=("nnplug", "nnplug-core", "nnplug-nnunet>=0.1", "click", "rich", "torch", "matplotlib"),
    ):
        file = tmp_path / "src" / name / module
        file.parent.mkdir(parents=True)
        for folder in {file.parent, tmp_path / "src" / name}:
            (folder / "__init__.py").touch()
        file.write_text(source)
        (tmp_path / "pyproject.toml").write_text(f"[project]\ndependencies = {list(dependencies)}\n")
        return Package.of(tmp_path).violations()

    return make


@pytest.mark.parametrize(
    ("name", "module", "source"),
    [
        ("nnplug", "io/a.py", "import matplotlib.pyplot"),
        ("nnplug", "training/a.py", "import rich"),
        ("nnplug", "a.py", "if True:\n    from scipy import ndimage"),
        ("nnplug_x", "a.py", "import rich"),
        ("nnplug_x", "a.py", "from nnplug_cli.main import main"),
        ("nnplug_x", "a.py", "import nnplug_brats"),
        ("nnplug_x", "a.py", "import scipy"),
        ("nnplug_cli", "a.py", "def f():\n    import torch"),
        ("nnplug_cli", "a.py", "from nnplug.training.train import train"),
        ("nnplug_cli", "a.py", "class A:\n    from nnplug.plans import plans"),
        ("nnplug_cli", "a.py", "import nnplug_nnunetv2_commands"),
        ("nnplug_nnunetv2_commands", "a.py", "def f():\n    import torch"),
        ("nnplug_nnunetv2_commands", "a.py", "from nnplug_nnunet.nnunet_models import import_model"),
        ("nnplug_nnunetv2_commands", "a.py", "from nnplug.plans.plans import Plans"),
    ],
)
def test_a_planted_violation_is_found(package, name, module, source):
    (line,) = package(name, module, source)
    assert module in line


@pytest.mark.parametrize(
    ("name", "module", "source"),
    [
        ("nnplug", "ops/a.py", "import os\nimport torch\nfrom nnplug.errors import NnplugError\nfrom . import b"),
        ("nnplug", "training/a.py", "def f():\n    from matplotlib import figure"),
        ("nnplug", "a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
        (
            "nnplug_x",
            "a.py",
            "import torch.nn\nfrom nnplug_nnunet.planning import NnunetPlanner\nfrom nnplug_x import b",
        ),
        (
            "nnplug_nnunetv2_commands",
            "a.py",
            "import nnplug_cli.context\nimport nnplug.workspace.layout\ndef f():\n    import nnplug_nnunet",
        ),
        ("nnplug_cli", "a.py", "import click\ndef f():\n    from nnplug.training.train import train\n    import rich"),
    ],
)
def test_what_the_table_allows_is_no_violation(package, name, module, source):
    assert package(name, module, source) == []
