"""Files of a folder by the name of their case: all files, or those that match a pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from nnplug.dataset.file_names import file_ending, image_files, stem
from nnplug.errors import InvalidFile, Problems

Files = Mapping[str, Path]
"""Name of a case, or a file name without its ending -> the file."""

CASE = "{case}"


def find_files(source: Path, pattern: str, what: str) -> Files:
    """Return the files of a folder, or those whose path matches a pattern.

    Args:
        source: the folder that `pattern` is relative to.
        pattern: a folder; or a path with "{case}" for the case's name and "*" for any text without "/".
        what: the converter's option, for messages.

    Raises:
        InvalidFile: there are none.
        Problems: two files have the same name.
    """
    is_pattern = CASE in pattern
    found = _fitting(source, pattern) if is_pattern else [(stem(path), path) for path in image_files(source / pattern)]
    if not found:
        kind = "file that fits" if is_pattern else "image in the folder"
        raise InvalidFile(f"{source}: no {kind} {pattern!r}; set converter.{what} to a folder or a pattern with {CASE}")
    files: dict[str, Path] = {}
    problems = [
        f"{path}: has the same name as {files[name]}" for name, path in found if files.setdefault(name, path) != path
    ]
    if problems:
        raise Problems(problems)
    return files


def _fitting(source: Path, pattern: str) -> list[tuple[str, Path]]:
    expression = re.compile(_expression(pattern))
    paths = sorted(source.glob(pattern.replace(CASE, "*")))
    matches = [(expression.fullmatch(path.relative_to(source).as_posix()), path) for path in paths]
    hidden = (path.name for path in paths if path.name.startswith("."))
    left_out = set(hidden)
    return [(m["case"], path) for m, path in matches if m and file_ending(path) and path.name not in left_out]


def _expression(pattern: str) -> str:
    """Return the pattern as a regular expression; a second {case} must match the same text as the first."""
    first, *others = (re.escape(part).replace(r"\*", "[^/]*") for part in pattern.split(CASE))
    return first + "(?P<case>[^/]+?)" + "(?P=case)".join(others)
