"""List nnplug's installed distributions and those of plugins, with their versions."""

from __future__ import annotations

from importlib.metadata import distributions

from packaging.utils import canonicalize_name

from nnplug.hookspecs import PROJECT


def installed_distributions() -> dict[str, str]:
    """Return distribution -> version, sorted by name: `nnplug`, every `nnplug-..`, and every other with a plugin.

    Nothing is imported, so that plugins that are blocked or fail are listed too.
    """
    found: dict[str, str] = {}  # a distribution can be on sys.path twice; imports use the first
    for distribution in distributions():
        name = canonicalize_name(distribution.name)
        ours = name == PROJECT or name.startswith(f"{PROJECT}-")
        if ours or f"[{PROJECT}]" in (distribution.read_text("entry_points.txt") or ""):
            found.setdefault(name, distribution.version)
    return dict(sorted(found.items()))
