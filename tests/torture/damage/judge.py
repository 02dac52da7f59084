"""Decide whether a command treated a damaged file as promised."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.torture.damage.forked import Outcome
from tests.torture.damage.targets import Target

MEMORY = 1 << 30
"""The memory that reading a damaged file may take, bytes."""
COMPONENTS = ("': option '", "has no option ", "was begun with other values (")
"""Words of messages that name a component and its option, or a training and the values that differ, not the file."""
_TEMPORARY = re.compile(r"\.[0-9a-f]{8}-")

Listing = Mapping[Path, tuple[int, int]]
"""File -> size and time of change."""


def listing(folder: Path) -> Listing:
    """Return every file below a folder."""
    found = {path: path.lstat() for path in folder.rglob("*") if path.is_symlink() or path.is_file()}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in found.items()}


def faults(target: Target, line: str, outcome: Outcome, before: Listing, folder: Path) -> Iterator[str]:
    """Yield what is wrong with the end of a command.

    Args:
        target: the file that was damaged.
        line: the command.
        outcome: how it ended.
        before: the files before it.
        folder: the folder in which it ran.
    """
    if outcome.code is None:
        yield f"did not end in {outcome.seconds:.0f} seconds"
        return
    if outcome.code not in (0, 1):
        yield f"exit code {outcome.code}"
    if "Traceback (most recent call last)" in outcome.stderr + outcome.stdout:
        yield "traceback"
    if outcome.grown > MEMORY:
        yield f"took {outcome.grown / 1e9:.1f} GB"
    after = listing(folder)
    new = [path for path, state in after.items() if before.get(path) != state]
    if outcome.code == 1:
        yield from _wrong_message(target, outcome)
        if re.search(r"\bout/\S+\.(json|zip)$", line) and "evaluate" not in line:  # which scores the other cases
            yield from (
                f"{path.relative_to(folder)} was written in spite of the error" for path in new if path.suffix in line
            )
    yield from _half_written(new, folder)


def _wrong_message(target: Target, outcome: Outcome) -> Iterator[str]:
    told = [*outcome.stderr.splitlines(), *outcome.stdout.splitlines()]
    errors = [one for one in outcome.stderr.splitlines() if one.startswith(("error: ", "usage: ", "Error: "))]
    named = target.named or (Path(target.file).name,)
    if not told:
        yield "no message"
    elif not errors and "verify" not in outcome.stdout and not any("problem" in one for one in told):
        yield "no line that begins with error:"
    if told and not any(name in one for one in told for name in (*named, *COMPONENTS)):
        yield "the message does not name the file"


def _half_written(new: list[Path], folder: Path) -> Iterator[str]:
    for path in new:
        name = path.relative_to(folder)
        if _TEMPORARY.match(path.name) or any(_TEMPORARY.match(part) for part in name.parts):
            yield f"{name} is left"
        elif path.name == "INTRUDED" or path.is_symlink():
            yield f"{name} was created by what is in the file"
        elif (why := _unreadable(path)) is not None:
            yield f"{name} is half written: {why}"


def _unreadable(path: Path) -> str | None:
    try:
        if path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix in (".zip", ".npz"):
            with zipfile.ZipFile(path) as archive:
                return archive.testzip()
        elif path.suffix == ".gz":
            gzip.decompress(path.read_bytes())
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        return str(error)
    return None
