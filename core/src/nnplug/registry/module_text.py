"""Read the text of a module without an import of it or of its packages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path


def may_implement(module: str, hook: str) -> bool:
    """Return whether a module could implement a hook: its text has the word, or it cannot be read."""
    try:
        spec = _spec(module)
        if spec is None or not spec.has_location or spec.origin is None:
            return True
        return hook.encode() in Path(spec.origin).read_bytes()
    except (OSError, ImportError):
        return True


def _spec(module: str) -> ModuleSpec | None:
    """Return the spec of a module; `importlib.util.find_spec` would import the packages around it."""
    spec: ModuleSpec | None = None
    path: Sequence[str] | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = next((found for one in sys.meta_path if (found := one.find_spec(name, path)) is not None), None)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec
