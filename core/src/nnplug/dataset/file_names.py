"""Names of image files: their ending, and the name without it."""

from __future__ import annotations

from pathlib import Path

from nnplug.dataset.dataset import FILE_ENDINGS

OTHER_ENDINGS = (".jpg", ".jpeg", ".nhdr", ".gipl")
"""Formats that can be read here, though datasets are not made of them."""


def file_ending(path: Path) -> str | None:
    """The ending of an image file in lower case, as ".nii.gz"; None for files of other kinds."""
    name = path.name.lower()
    return next((ending for ending in (*FILE_ENDINGS, *OTHER_ENDINGS) if name.endswith(ending)), None)


def stem(path: Path) -> str:
    """A file's name without the ending of its format."""
    return path.name[: -len(file_ending(path) or path.suffix) or None]


def image_files(folder: Path) -> list[Path]:
    """The image files of a folder, by name; hidden ones, as macOS leaves them, are left out."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.is_file() and not path.name.startswith(".") and file_ending(path)]
