"""Digests of the files of cases: a result is outdated if they differ."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.runtime.digests import sha256


def case_contents(cases: Iterable[CaseFiles]) -> dict[str, str]:
    """Return name -> digest of the content of the label map, and of the sizes of the images, of cases that are there.

    A copy of a dataset has the same digests, whatever the times of its files. Images are not read, because that takes
    as long as preprocessing.
    """
    there = (files for files in cases if all(file.exists() for file in _files(files)))
    return {files.name: _digest(files) for files in there}


def _files(files: CaseFiles) -> tuple[Path, ...]:
    return (*files.images, *([] if files.label is None else [files.label]))


def _digest(files: CaseFiles) -> str:
    sizes = [image.stat().st_size for image in files.images]
    label = "" if files.label is None else _content(files.label, files.label.stat().st_mtime_ns)
    return hashlib.sha256(f"{label} {sizes}".encode()).hexdigest()[:16]


@lru_cache(maxsize=4096)
def _content(file: Path, _time: int) -> str:
    """Return the digest of a file; folds of one dataset share it."""
    return sha256(file)
