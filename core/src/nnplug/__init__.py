"""nnplug: self-configuring medical image segmentation whose every part is a plugin's named component.

Importing it loads neither numpy nor torch; what needs them is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nnplug.components import Component, Kind, Recipe
from nnplug.errors import NnplugError
from nnplug.hookspecs import hookimpl
from nnplug.plugins import Plugins

if TYPE_CHECKING:
    from nnplug.data.store import CaseStore

__all__ = ["CaseStore", "Component", "Kind", "NnplugError", "Plugins", "Recipe", "hookimpl"]


def __getattr__(name: str) -> Any:
    if name == "CaseStore":
        from nnplug.data.store import CaseStore

        return CaseStore
    raise AttributeError(f"module 'nnplug' has no attribute {name!r}")
