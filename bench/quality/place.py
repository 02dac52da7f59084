"""The folders of one training in the scratch folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quality.trainings import Training


@dataclass(frozen=True)
class Place:
    """The folders of a training.

    Attributes:
        folder: its own.
        shared: that of its dataset, for what all trainings of a side share.
        peer: a Python that has nnunetv2, None where there is none.
    """

    folder: Path
    shared: Path
    peer: Path | None

    @classmethod
    def of(cls, training: Training, scratch: Path, peer: Path | None) -> Place:
        """Return the place of a training, with its folder."""
        place = cls(scratch / training.name, scratch / training.data.name, peer)
        place.folder.mkdir(parents=True, exist_ok=True)
        return place

    @property
    def work(self) -> Path:
        """The workspace, or nnU-Net's folder of results."""
        return self.folder / "work"

    @property
    def points(self) -> Path:
        """The weights that are kept, `ITERATION/` each."""
        return self.folder / "points"
