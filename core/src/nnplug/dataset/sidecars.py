"""The files that go with an image or label map: CASE.json with the spacing of a CASE.tif."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from nnplug.dataset.dataset import FILE_ENDINGS

TIFF = (".tif", ".tiff")


def read_with(files: Iterable[Path]) -> tuple[Path, ...]:
    """Return image files and, of TIFFs, the names under which their spacing is looked for, see `read_voxels`."""
    return tuple(place for file in files for place in (file, *_sidecars(file)))


def written_with(file: Path) -> tuple[Path, ...]:
    """Return what writing a label map may write: the file and, of a TIFF, the file of its spacing."""
    return (file, file.with_suffix(".json")) if _is_tiff(file) else (file,)


def images_in(folder: Path) -> tuple[Path, ...]:
    """Return every file of a folder that has the ending of an image, with what is read beside it; none of no folder."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return read_with(file for file in files if file.name.lower().endswith(FILE_ENDINGS))


def _sidecars(file: Path) -> tuple[Path, ...]:
    if not _is_tiff(file):
        return ()
    return file.with_suffix(".json"), file.with_name(re.sub(r"_\d{4}$", "", file.stem) + ".json")


def _is_tiff(file: Path) -> bool:
    return file.name.lower().endswith(TIFF)
