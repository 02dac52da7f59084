"""Parse JSON text that anybody may have written: every fault of it is one kind of error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

DEPTH = 100
"""The deepest nesting of arrays and objects that is read. The files of nnplug and nnU-Net have less than ten levels."""


def parse_json(text: str | bytes, make: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    """Return the content of a JSON text.

    Args:
        text: the text; bytes are UTF-8, UTF-16 or UTF-32.
        make: makes an object of its pairs of key and value.

    Raises:
        ValueError: the text is no JSON (a `json.JSONDecodeError` if a place is at fault), is nested too deeply, has a
            number with thousands of digits, or half of a pair of surrogates, which no text file can hold.
    """
    try:
        content = json.loads(text, object_pairs_hook=make)
        if _is_deep(content):
            raise ValueError(_DEEP)
        if (b"\\u" if isinstance(text, bytes) else "\\u") in text:  # type: ignore[operator] # of the same type
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError(_DEEP) from error
    except UnicodeEncodeError as error:
        raise ValueError(f"{error.object[error.start]!r} is half of a character") from error
    return content


_DEEP = f"arrays or objects are nested more than {DEPTH} deep"


def _is_deep(content: Any) -> bool:
    """Return whether content is nested too deeply, without recursion."""
    level = [content]
    for _ in range(DEPTH):
        level = [value for one in level for value in _values(one)]
        if not level:
            return False
    return True


def _values(content: Any) -> Any:
    """Return the arrays and objects that are directly in an array or object."""
    inside = content.values() if isinstance(content, dict) else content if isinstance(content, list) else ()
    return [value for value in inside if isinstance(value, (dict, list))]
