"""Find the texts of options in the docstring of a component's class, and the values that an option may have."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

_SECTION = re.compile(r"^(Attributes|Args):\n((?:[ \t]+.*\n?|\n)+)", re.MULTILINE)
_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


def option_texts(target: Callable[..., Any]) -> Mapping[str, str]:
    """Return option -> its text in the docstring, under "Attributes:" or "Args:", of the class or of a base class."""
    found: dict[str, str] = {}
    for one in reversed(inspect.getmro(target)) if isinstance(target, type) else (target,):
        text = inspect.cleandoc(vars(one).get("__doc__") or "") if isinstance(one, type) else inspect.getdoc(one) or ""
        for _, section in _SECTION.findall(text + "\n"):
            found.update({name: " ".join(words.split()) for name, words in _ENTRY.findall(section)})
    return found


def option_words(target: Callable[..., Any]) -> Mapping[str, tuple[str, ...]]:
    """Return option -> its possible values, for options whose type is a `Literal`; empty if a type is broken."""
    try:
        hints = get_type_hints(target)
    except Exception:  # noqa: BLE001 - evaluating an annotation may raise anything; setting the option tells it
        return {}
    literals = {name: _literal(hint) for name, hint in hints.items()}
    return {name: words for name, words in literals.items() if words}


def _literal(hint: Any) -> tuple[str, ...]:
    """Return the words of a `Literal`, also in a union with None."""
    parts = (hint,) if get_origin(hint) is Literal else get_args(hint)
    return tuple(str(word) for part in parts if get_origin(part) is Literal for word in get_args(part))
