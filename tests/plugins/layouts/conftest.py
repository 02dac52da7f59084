"""A small source in MONAI's layout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnplug.io.images import Geometry, write_image, write_label

AXES = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
SHAPE = (10, 16, 14)
GEOMETRY = Geometry(SHAPE, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), AXES)


def save(image: Path, seed: int, label: Path | None = None, values: tuple[int, ...] = (0, 1, 2)) -> None:
    """Write an image of random numbers, and a label map with these values."""
    voxels = np.random.default_rng(seed).integers(-100, 100, SHAPE).astype(np.int16)
    write_image(image, voxels, GEOMETRY)
    if label is not None:
        labels = np.resize(np.array(values, np.int16), np.prod(SHAPE)).reshape(SHAPE)
        write_label(label, labels, GEOMETRY)


@dataclass(frozen=True)
class ListFolder:
    """A folder with a datalist, `list.json`: PATIENT/t1.nii.gz, PATIENT/t2.nii.gz and PATIENT/seg.nrrd."""

    folder: Path
    values: tuple[int, ...] = (0, 1, 2)

    @property
    def file(self) -> Path:
        return self.folder / "list.json"

    def entry(self, name: str, **more: Any) -> dict[str, Any]:
        """Write the files of a patient and return its entry."""
        seed = sum(map(ord, name))
        save(self.folder / name / "t1.nii.gz", seed, self.folder / name / "seg.nrrd", self.values)
        save(self.folder / name / "t2.nii.gz", seed + 1)
        return {"image": [f"{name}/t1.nii.gz", f"{name}/t2.nii.gz"], "label": f"{name}/seg.nrrd", **more}

    def write(self, **content: Any) -> Path:
        """Write the datalist and return it."""
        self.file.write_text(json.dumps(content))
        return self.file


@pytest.fixture
def listed(tmp_path: Path) -> ListFolder:
    """An empty folder."""
    (tmp_path / "data").mkdir()
    return ListFolder(tmp_path / "data")


@dataclass(frozen=True)
class BidsFolder:
    """A folder with a BIDS dataset."""

    folder: Path

    def image(self, name: str, label: str = "") -> None:
        """Write an image such as sub-01/anat/sub-01_T1w, and its label map in the derivative of this name."""
        place = self.folder / "derivatives" / label / f"{name.rpartition('_')[0]}_desc-x_dseg.nii.gz"
        save(self.folder / f"{name}.nii.gz", sum(map(ord, name)), place if label else None)


@pytest.fixture
def bids(tmp_path: Path) -> BidsFolder:
    """An empty dataset."""
    (tmp_path / "bids").mkdir()
    return BidsFolder(tmp_path / "bids")
