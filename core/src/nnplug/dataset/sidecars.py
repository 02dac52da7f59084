"""Sidecar files of images and label maps: CASE.json has the spacing of CASE.tif."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from nnplug.dataset.dataset import FILE_ENDINGS

TIFF = (".tif", ".tiff")


def read_with(files: Iterable[Path]) -> tuple[Path, ...]:
    """Return image files and, for TIFFs, the possible files of their spacing; see `nnplug.io.images.read_voxels`."""
    return tuple(place for file in files for place in (file, *_sidecars(file)))


def written_with(file: Path) -> tuple[Path, ...]:
    """Return the files that writing a label map may write: the file itself and, for a TIFF, that of its spacing."""
    return (file, file.with_suffix(".json")) if _is_tiff(file) else (file,)


def images_in(folder: Path) -> tuple[Path, ...]:
    """Return the images of a folder with their possible sidecar files; no files if the folder does not exist."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    return read_with(file for file in files if file.name.lower().endswith(FILE_ENDINGS))


def _sidecars(file: Path) -> tuple[Path, ...]:
    if not _is_tiff(file):
        return ()
    return file.with_suffix(".json"), file.with_name(re.sub(r"_\d{4}$", "", file.stem) + ".json")


def _is_tiff(file: Path) -> bool:
    return file.name.lower().endswith(TIFF)
