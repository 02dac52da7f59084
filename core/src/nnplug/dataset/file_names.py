"""Names of image files, and their endings."""

from __future__ import annotations

from pathlib import Path

from nnplug.io.readers import Readers, readers_or_core


def file_ending(path: Path, readers: Readers | None = None) -> str | None:
    """Return the ending of an image file in lower case, such as ".nii.gz", or None for other files."""
    return readers_or_core(readers).ending(path)


def stem(path: Path, readers: Readers | None = None) -> str:
    """Return the name of a file without the ending of its format."""
    return path.name[: -len(file_ending(path, readers) or path.suffix) or None]


def image_files(folder: Path, readers: Readers | None = None) -> list[Path]:
    """Return the image files of a folder, sorted by name. Hidden files, as macOS creates them, are left out."""
    own, found = readers_or_core(readers), sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if not path.name.startswith(".") and own.is_image(path)]
