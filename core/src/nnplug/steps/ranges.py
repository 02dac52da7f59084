"""Check the values of keyword arguments, before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnplug.errors import InvalidOptions

_LOWEST = {"workers": 1, "devices": 1, "seed": 0, "part": 0, "parts": 1}
_ABOVE_ZERO = ("gpu_memory_gb", "memory_gb", "step_size")
_WORDS = {"weights": ("final", "best")}


def check(options: Mapping[str, Any]) -> None:
    """Raise for values that are out of range.

    Raises:
        InvalidOptions: the message has the name, the value and the range.
    """
    for name, value in options.items():
        if value is None:
            continue
        if name in _LOWEST and value < _LOWEST[name]:
            raise InvalidOptions(f"{name} is {value}; expected at least {_LOWEST[name]}")
        if name in _ABOVE_ZERO and not value > 0:
            raise InvalidOptions(f"{name} is {value}; expected more than 0")
        if name in _WORDS and value not in _WORDS[name]:
            raise InvalidOptions(f"{name} is {value!r}; expected {' or '.join(map(repr, _WORDS[name]))}")
