"""Compare what a command left with what an undisturbed one left: everything that counts, bit for bit."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

MOMENTS = frozenset({"created", "seconds", "wait_seconds", "command", "sha256"})
"""Keys of JSON files that are not compared: times, the words of the command, and digests of files that hold these."""
DRAWN = (".png", ".html")
"""Endings of files that must exist, but whose content is not compared: curves and reports show times."""
ZIPPED = (".zip", ".npz", ".pt")
"""Endings of zip files, whose members are compared: each has a time."""
NOT_COMPARED = frozenset({"predictions.jsonl"})
"""Logs that get a line more for each start."""


_TEMPORARY = re.compile(r"\.[0-9a-f]{8}-")


def contents(folder: Path, *, named: Path | None = None, strict: bool = True) -> Mapping[str, str]:
    """Return relative path -> digest of everything that counts, for all files that are not hidden.

    Files are compared as bytes: weights, arrays, label maps; of states, logits and probabilities the members. JSON is
    compared without `MOMENTS`, and with the folder itself replaced by "WORKSPACE" in its texts.

    Args:
        folder: the folder.
        named: the name of the folder in texts, if it is a copy of another.
        strict: whether JSON that cannot be read is an error; if not, it is compared as bytes.
    """
    where = str(named or folder)
    return {file.relative_to(folder).as_posix(): _digest(file, where, strict) for file in _files(folder)}


def differences(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Return a line for each file that is missing, left over or different."""
    lines = [f"{name}: is missing" for name in sorted(expected.keys() - found.keys())]
    lines += [f"{name}: is left over" for name in sorted(found.keys() - expected.keys())]
    return lines + [
        f"{name}: differs" for name in sorted(found.keys() & expected.keys()) if found[name] != expected[name]
    ]


def hidden(folder: Path) -> list[str]:
    """Return the temporary files and folders that kills left; not what is in such folders."""
    found = (path.relative_to(folder) for path in folder.rglob(".*") if _TEMPORARY.match(path.name))
    return sorted(name.as_posix() for name in found if not any(map(_TEMPORARY.match, name.parts[:-1])))


def _files(folder: Path) -> Iterator[Path]:
    for file in sorted(folder.rglob("*")):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.is_file() and not is_hidden and file.name not in NOT_COMPARED:
            yield file


def _digest(file: Path, folder: str, strict: bool) -> str:
    if file.suffix in DRAWN:
        return "drawn"
    if file.suffix in ZIPPED and zipfile.is_zipfile(file):
        return _digest_of_members(file)
    if file.suffix not in (".json", ".jsonl"):
        return hashlib.sha256(file.read_bytes()).hexdigest()
    text = file.read_text().replace(folder, "WORKSPACE")
    lines = text.splitlines() if file.suffix == ".jsonl" else [text]
    try:
        plain = [_timeless(json.loads(line)) for line in lines]
    except json.JSONDecodeError:
        if strict:
            raise
        return hashlib.sha256(file.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()


def _digest_of_members(file: Path) -> str:
    """Return the digest of the members of a zip file; PyTorch puts them in a folder named as the file was at first."""
    found = hashlib.sha256()
    with zipfile.ZipFile(file) as archive:
        for name in sorted(archive.namelist()):
            own = name.partition("/")[2] if file.suffix == ".pt" else name
            if own != ".data/serialization_id":  # a digest of the names and of the file's own
                found.update(f"{own} {hashlib.sha256(archive.read(name)).hexdigest()}\n".encode())
    return found.hexdigest()


def _timeless(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _timeless(value) for key, value in data.items() if key not in MOMENTS}
    return [_timeless(value) for value in data] if isinstance(data, list) else data
