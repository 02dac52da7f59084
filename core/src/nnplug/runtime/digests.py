"""Digests of files: by content, and by names, sizes and times."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def state_digest(files: Iterable[Path], depends_on: str = "") -> str:
    """Return a digest of the names, sizes and times of files, which changes when one of them is replaced.

    Args:
        files: the files; missing ones are left out.
        depends_on: text of everything else that a result depends on.
    """
    state = [(file.name, stat.st_size, stat.st_mtime_ns) for file in files if file.exists() for stat in (file.stat(),)]
    return hashlib.sha256(f"{depends_on} {state}".encode()).hexdigest()[:16]
