"""Record the files that a prediction read and wrote, with their digests."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from nnplug.dataset.sidecars import read_with
from nnplug.io.readers import Readers
from nnplug.runtime.digests import sha256


def recorded_image(image: Path, readers: Readers) -> dict[str, Any]:
    """Return path, bytes and SHA-256 of an image.

    For an image of several files, such as a series, the SHA-256 is that of a text with a line "SHA-256, two spaces,
    name" per file, sorted by name, as `sha256sum` prints it.

    Args:
        image: the image, which may be one in a folder or archive.
        readers: its readers.
    """
    files = sorted(
        {file for file in read_with([image], readers) if file.is_file()}, key=lambda file: (file.name, str(file))
    )
    size = sum(file.stat().st_size for file in files)
    if len(files) == 1:
        return {"path": str(image), "bytes": size, "sha256": sha256(files[0])}
    text = "".join(f"{sha256(file)}  {file.name}\n" for file in files)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"path": str(image), "files": len(files), "bytes": size, "sha256": digest}


def recorded_output(file: Path, folder: Path) -> dict[str, Any]:
    """Return the path in the output folder, bytes and SHA-256 of a file."""
    return {"path": str(file.relative_to(folder)), "bytes": file.stat().st_size, "sha256": sha256(file)}
