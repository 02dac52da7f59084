"""The flag of a normalizer about voxels outside the mask."""

from __future__ import annotations

from nnplug.registry.attribution import broken
from nnplug.registry.components import AnyEntry


def zeroes_outside_mask(entry: AnyEntry) -> bool:
    """Return what the class of a normalizer says; see `nnplug.contracts.Normalizer`.

    Raises:
        InvalidPlugin: it says nothing, or the class cannot be imported.
    """
    value = getattr(entry.load(), "zeroes_outside_mask", None)
    if not isinstance(value, bool):
        raise broken(entry.origin, f"has zeroes_outside_mask = {value!r} in its class; expected True or False")
    return value
