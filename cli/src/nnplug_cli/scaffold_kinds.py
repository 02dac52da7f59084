"""A package with components of the kinds that the user names, copied from one that has every kind.

The source is the package with which tests run nnplug without nnunet. So every component works, and keeps its contract.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from nnplug.errors import NnplugError
from nnplug_cli.scaffold import check_plugin_name

SOURCE = "foreign"
"""The plugin's name in the source: `nnplug_foreign`, `foreign-adam`."""

NEEDS = {"planner": ("architecture", "normalizer")}
"""Kind -> the kinds whose components its component names."""

_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "nnplug-{name}"
version = "0.1.0"
description = "Components for nnplug: {kinds}"
readme = "README.md"
requires-python = ">=3.11"
dependencies = [{dependencies}]

[project.entry-points.nnplug]
{name} = "nnplug_{module}.plugin"

[tool.hatch.build.targets.wheel]
packages = ["src/nnplug_{module}"]

[tool.hatch.build]
dev-mode-dirs = ["src"]
"""
_README = """\
# nnplug-{name}

Components for nnplug: {kinds}.

    pip install -e .
    nnplug components
    nnplug plugins check {name}

`src/nnplug_{module}/plugin.py` is the file to read first. Each component works; replace what it does by what
yours does. The page of each kind is in nnplug's docs/hooks/.
"""
_HEAD = '''\
"""The entries of this package. nnplug calls these functions once; it imports a component when a user names it."""

from __future__ import annotations

from collections.abc import Iterable

# Import nothing slow here, such as torch: every listing runs this file.
from nnplug import (
{names}
)
'''
_LIBRARIES = {"torch": "torch>=2.4", "scipy": "scipy", "click": "click>=8.1"}


def write_kinds(name: str, kinds: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Write an installable package `nnplug-NAME` with a component of each kind; return all kinds that it has.

    Args:
        name: name of the plugin; lower-case words joined by hyphens.
        kinds: words of `Kind`, or "command".
        folder: the new folder.

    Raises:
        NnplugError: as in `nnplug_cli.scaffold.write_plugin`.
    """
    from nnplug.runtime.files import atomic_folder

    check_plugin_name(name)
    if folder.exists():
        raise NnplugError(f"{folder}: exists already; give another folder with -o")
    every = tuple(dict.fromkeys(one for kind in kinds for one in (kind, *NEEDS.get(kind, ()))))
    hooks = _hooks(every)
    modules = _closure(re.findall(rf"nnplug_{SOURCE}\.(\w+):", "".join(hooks)))
    words = {"name": name, "module": name.replace("-", "_"), "kinds": ", ".join(every)}
    needed = [line for library, line in _LIBRARIES.items() if _imports(modules, library)]
    listed = ", ".join(f'"{line}"' for line in ("nnplug-core>=0.1,<1", *needed))
    with atomic_folder(folder) as new:
        package = new / "src" / f"nnplug_{words['module']}"
        package.mkdir(parents=True)
        (new / "pyproject.toml").write_text(_PROJECT.format(dependencies=listed, **words), encoding="utf-8")
        (new / "README.md").write_text(_README.format(**words), encoding="utf-8")
        (package / "__init__.py").write_text(f'"""{name}: components for nnplug."""\n', encoding="utf-8")
        (package / "py.typed").touch()
        (package / "plugin.py").write_text(_fill(_plugin(hooks), name), encoding="utf-8")
        for module in modules:
            (package / f"{module}.py").write_text(_fill(_read(module), name), encoding="utf-8")
    return every


def _hooks(kinds: Sequence[str]) -> list[str]:
    """Return the text of the hook of each kind."""
    text = _read("plugin")
    lines = text.splitlines()
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min(decorator.lineno for decorator in node.decorator_list)
            found[node.name] = "\n".join(lines[first - 1 : node.end_lineno])
    return [found[_hook(kind)] for kind in kinds]


def _hook(kind: str) -> str:
    return f"nnplug_{kind}es" if kind.endswith("s") else f"nnplug_{kind}s"


def _plugin(hooks: Sequence[str]) -> str:
    names = sorted({name for hook in hooks for name in re.findall(r"\b(\w+Component|PluginCommand)\b", hook)})
    head = _HEAD.format(names="\n".join(f"    {name}," for name in (*names, "hookimpl")))
    return "\n\n\n".join([head.rstrip(), *hooks]) + "\n"


def _closure(modules: Sequence[str]) -> list[str]:
    """Return the modules, and all that they import of the package."""
    found: list[str] = []
    left = list(modules)
    while left:
        module = left.pop()
        if module not in found:
            found.append(module)
            left += re.findall(rf"from nnplug_{SOURCE}\.(\w+) import", _read(module))
    return sorted(found)


def _imports(modules: Sequence[str], library: str) -> bool:
    return any(re.search(rf"^\s*(import|from) {library}\b", _read(module), re.MULTILINE) for module in modules)


def _read(module: str) -> str:
    return (files("nnplug_cli") / "every_kind" / "src" / f"nnplug_{SOURCE}" / f"{module}.py").read_text(
        encoding="utf-8"
    )


def _fill(text: str, name: str) -> str:
    module = f"nnplug_{name.replace('-', '_')}"
    return text.replace(f"nnplug_{SOURCE}", module).replace(f"`{SOURCE}", f"`{name}").replace(SOURCE, name)
