"""Find the distributions whose code a component uses: its own, and those of the base classes of its class."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any

from packaging.utils import canonicalize_name

from nnplug.registry.components import AnyEntry, Registry


def component_versions(entries: Iterable[AnyEntry], registry: Registry) -> dict[str, str]:
    """Return distribution -> version of components and of the base classes of their classes.

    Args:
        entries: the components. Their targets are imported.
        registry: all installed components, which tell the distribution of an editable installation.

    Raises:
        InvalidPlugin: a target cannot be imported.
    """
    used = list(entries)
    owners = {_package(entry.component.target): entry.source.distribution for entry in registry}
    found = {entry.source.distribution: entry.source.version for entry in used}
    packages = {package for entry in used for package in _base_packages(entry.load())}
    installed = {} if packages <= owners.keys() else packages_distributions()  # reads every distribution: slow
    for package in packages:
        names = [owners[package]] if package in owners else installed.get(package, ())
        found.update(_versions(names))
    return found


def _base_packages(target: Any) -> Iterator[str]:
    """Yield the top-level package of each base class that is neither Python's nor the core's."""
    for base in inspect.getmro(target)[1:] if isinstance(target, type) else ():
        package = _package(base.__module__)
        if package not in sys.stdlib_module_names and package != "nnplug":
            yield package


def _package(path: str) -> str:
    return path.partition(":")[0].partition(".")[0]


def _versions(names: Iterable[str]) -> Mapping[str, str]:
    found = {}
    for name in names:
        try:
            found[canonicalize_name(name)] = version(name)
        except PackageNotFoundError:  # a folder on PYTHONPATH
            continue
    return {str(name): text for name, text in found.items()}
