"""Phantoms as DICOM series, made by the tests themselves."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.contracts import PredictedCase
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.io.geometry import Geometry, LabelMap

# An environment that was made before nnplug-dicom lacks its libraries; there, `tests/contract` skips with a reason.
collect_ignore_glob = [] if find_spec("highdicom") else ["test_*.py"]

HALF = 2**-0.5
ACQUISITIONS = {
    "axial": {},
    "sagittal": {"cosines": (0, 1, 0, 0, 0, -1)},
    "oblique": {"cosines": (HALF, HALF, 0, 0, 0, -1)},
    "negated": {"cosines": (-1, 0, 0, 0, -1, 0)},
    "tilted": {"shear": 0.8},
}
RAW = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "organ": 1, "tumour": 2},
    "numTraining": 1,
    "file_ending": ".nii.gz",
    "segments": {
        "organ": {
            "category": ["123037004", "SCT", "Anatomical Structure"],
            "type": ["64033007", "SCT", "Kidney"],
            "modifier": ["7771000", "SCT", "Left"],
            "color": [200, 100, 0],
        }
    },
}
DESCRIPTION = DatasetDescription.from_data(RAW, "test")
MODEL = ("Dataset001_A nnunet 3d_fullres", "0123456789ab")
SHAPE = (15, 40, 44)


def labels_of(shape) -> np.ndarray:
    """A shell with a hole, and a ball beside it: no symmetry, so that no flip goes unnoticed."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    radius = (x - 0.1) ** 2 + 1.2 * (y + 0.05) ** 2 + z**2
    labels = ((radius < 0.5) & (radius > 0.12)).astype(np.int16)
    labels[(x - 0.6) ** 2 + (y - 0.5) ** 2 + (z + 0.3) ** 2 < 0.06] = 2
    return labels


@dataclass(frozen=True)
class Phantom:
    """A series on disk as the reader sees it."""

    folder: Path
    path: Path
    voxels: np.ndarray
    array: np.ndarray
    geometry: Geometry

    @property
    def labels(self) -> np.ndarray:
        return labels_of(self.geometry.shape)

    @property
    def predicted(self) -> PredictedCase:
        case = CaseFiles(self.folder.name, (self.path,))
        return PredictedCase(case, LabelMap(self.labels, self.geometry), DESCRIPTION, *MODEL)


@pytest.fixture
def phantom(tmp_path) -> Callable[..., Phantom]:
    """`phantom("oblique", ["RAS"])`: a series whose files have names in another order than its slices."""
    from nnplug_dicom.example import Acquisition, write_series
    from nnplug_dicom.reader import DicomReader

    def make(name: str = "axial", orientations=(), *, shuffled: bool = True) -> Phantom:
        folder = tmp_path / name
        rng = np.random.default_rng(3)
        voxels = rng.integers(-1000, 1000, SHAPE).astype(np.int16)
        paths = write_series(folder, voxels, Acquisition(**ACQUISITIONS[name]))
        if shuffled:
            for number, path in zip(rng.permutation(len(paths)), paths, strict=True):
                path.rename(folder / f"IM{number:05d}")
        (image,) = DicomReader().find_images(folder, orientations)
        array, geometry = DicomReader().read(image.path)
        return Phantom(folder, image.path, voxels, array, geometry)

    return make


@pytest.fixture
def program() -> Callable[..., str]:
    """`program("dicom3tools", "dciodvfy", FILE)`: run a program of a Debian package, or skip; gives what it prints."""

    def run(package: str, name: str, *words: object, fails: bool = False) -> str:
        if shutil.which(name) is None:
            pytest.skip(f"needs the Debian package {package}: apt-get install {package}")
        done = subprocess.run([name, *map(str, words)], capture_output=True, text=True, check=False)
        assert fails or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


@pytest.fixture
def errors(program) -> Callable[[Path], list[str]]:
    """`errors(FILE)`: the errors that dciodvfy finds in a DICOM file."""

    def find(path: Path) -> list[str]:
        printed = program("dicom3tools", "dciodvfy", path, fails=True)
        return [line for line in printed.splitlines() if line.startswith("Error")]

    return find


def _on_grid(image: sitk.Image, reference: Path) -> np.ndarray:
    resampled = sitk.Resample(image, sitk.ReadImage(str(reference)), sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayFromImage(resampled)


@pytest.fixture
def on_grid() -> Callable[..., np.ndarray]:
    """`on_grid(IMAGE, FILE)`: the voxels of an image at the centres of those of a NIfTI file."""
    return _on_grid


@pytest.fixture
def by_highdicom() -> Callable[..., np.ndarray]:
    """`by_highdicom(SEG, FILE)`: the segment numbers at the centres of the voxels of a NIfTI file."""
    import highdicom

    def read(seg: Path, reference: Path, segments=None) -> np.ndarray:
        volume = highdicom.seg.segread(seg).get_volume(combine_segments=True, segment_numbers=segments)
        image = sitk.GetImageFromArray(np.ascontiguousarray(volume.array.astype(np.uint8)))
        spacing = np.linalg.norm(volume.affine[:3, :3], axis=0)
        image.SetSpacing(spacing[::-1].tolist())
        image.SetOrigin(volume.affine[:3, 3].tolist())
        image.SetDirection((volume.affine[:3, :3] / spacing)[:, ::-1].ravel().tolist())
        return _on_grid(image, reference)

    return read
