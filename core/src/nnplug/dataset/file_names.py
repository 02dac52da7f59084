"""Names of image files, and their endings."""

from __future__ import annotations

from pathlib import Path

from nnplug.dataset.dataset import FILE_ENDINGS

OTHER_ENDINGS = (".jpg", ".jpeg", ".nhdr", ".gipl")
"""Formats that can be read here, but that datasets cannot have."""


def file_ending(path: Path) -> str | None:
    """Return the ending of an image file in lower case, such as ".nii.gz", or None for other files."""
    name = path.name.lower()
    return next((ending for ending in (*FILE_ENDINGS, *OTHER_ENDINGS) if name.endswith(ending)), None)


def stem(path: Path) -> str:
    """Return the name of a file without the ending of its format."""
    return path.name[: -len(file_ending(path) or path.suffix) or None]


def image_files(folder: Path) -> list[Path]:
    """Return the image files of a folder, sorted by name. Hidden files, as macOS creates them, are left out."""
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.is_file() and not path.name.startswith(".") and file_ending(path)]
