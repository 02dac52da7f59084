"""The paths that series have in nnplug: the folder or zip file, and the UID of the series with an orientation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nnplug.errors import InvalidFile

ENDING = ".dicom"


@dataclass(frozen=True)
class ImagePath:
    """The place of a series: FOLDER/UID.dicom, or FOLDER/UID.RAS.dicom if it is read with other axes.

    Attributes:
        folder: the folder, zip file or DICOM file.
        series: the Series Instance UID.
        orientation: the sides that the axes x, y, z point to, such as "RAS"; None as stored.
    """

    folder: Path
    series: str
    orientation: str | None = None

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the parts of a path.

        Raises:
            InvalidFile: it is not the path of a series.
        """
        words = path.name.removesuffix(ENDING)
        series, _, last = words.rpartition(".")
        if not path.name.endswith(ENDING) or not series:
            raise InvalidFile(f"{path}: is not a DICOM series; give its folder or zip file")
        return cls(path.parent, series, last) if last.isalpha() else cls(path.parent, words)

    @property
    def path(self) -> Path:
        """The path."""
        turned = f".{self.orientation}" if self.orientation else ""
        return self.folder / f"{self.series}{turned}{ENDING}"
