"""List the differences of two JSON objects in words, for the messages of a rerun."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nnplug.plans.plans import Plans


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yield a line per value that differs, such as "configurations.2d.batch_size: 2 instead of 12"."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif old != new:
        yield f"{path}: {_short(new)} instead of {_short(old)}"


def training_decisions(plans: Plans) -> dict[str, Any]:
    """Return the part of the plans that training depends on: all but providers, recipe, name and channel names."""
    data = plans.data()
    return {key: data[key] for key in data if key not in ("providers", "recipe", "name", "channel_names")}


def _short(value: Any) -> str:
    text = "the default" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
