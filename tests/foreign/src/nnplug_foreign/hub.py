"""A hub on a disk: the reference is a path."""

from __future__ import annotations

from pathlib import Path

from nnplug.contracts import Hub
from nnplug.errors import NnplugError


class Shelf(Hub):
    """Gives the bundle in a folder."""

    def fetch(self, reference: str) -> Path:
        """Return the folder, if it has a bundle."""
        folder = Path(reference)
        if not (folder / "bundle.json").is_file():
            raise NnplugError(f"foreign-shelf:{reference}: no bundle on this shelf")
        return folder
