"""A phantom dataset: small seeded volumes that a network can segment and a threshold cannot.

Every volume is a head of noisy tissue with a rim. It contains an organ of two touching parts, a distractor with the
same shape and the same first channel, and vessels as bright as the organ. Only the organ is bright in the second
channel. Contrast, size, position and bias field differ between cases.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from nnplug.dataset.dataset import Dataset
from nnplug.io.images import Geometry, write_image, write_label
from nnplug.runtime.json_files import write_json
from nnplug.runtime.seeds import generator

Array = npt.NDArray[Any]

SHAPE = (48, 56, 48)
SPACING = (1.2, 1.0, 1.0)
IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
BODY, CAP = 1, 2

TISSUES = {  # brightness in the first and in the second channel
    "air": (0.0, 0.0),
    "tissue": (0.5, 0.45),
    "rim": (0.68, 0.75),
    "body": (0.85, 0.75),
    "cap": (0.68, 0.95),
    "false body": (0.85, 0.45),
    "false cap": (0.68, 0.6),
    "body vessel": (0.85, 0.75),
    "cap vessel": (0.68, 0.95),
}
CODES = {name: code for code, name in enumerate(TISSUES)}

NOISE = 0.06
BLUR = 0.6
BIAS = 0.15
CONTRAST = (0.8, 1.2)
SCALE = (300.0, 900.0)


def write_phantom(
    folder: Path, *, cases: int = 20, unseen: int = 4, seed: int = 0, shape: tuple[int, int, int] = SHAPE
) -> Dataset:
    """Write a phantom dataset in nnU-Net's raw layout and return it; equal arguments give equal bytes.

    Args:
        folder: the folder of the dataset; its name is the name of the dataset.
        cases: the number of training cases.
        unseen: the number of further cases, in `imagesTs` and `labelsTs`.
        seed: the seed of every random draw.
        shape: (z, y, x) in voxels of 1.2 x 1 x 1 mm; the structures scale with it.

    Returns:
        The dataset: channels T1 and T2, labels body (1) and cap (2).
    """
    geometry = Geometry(shape, SPACING, SPACING[::-1], (0.0, 0.0, 0.0), IDENTITY)
    for number in range(cases + unseen):
        part = "Tr" if number < cases else "Ts"
        case, label = make_case(generator(seed, number), shape)
        for channel, image in enumerate(case):
            write_image(folder / f"images{part}" / f"phantom_{number:03d}_{channel:04d}.nii.gz", image, geometry)
        write_label(folder / f"labels{part}" / f"phantom_{number:03d}.nii.gz", label, geometry)
    write_json(folder / "dataset.json", _description(cases))
    return Dataset.open(folder)


def make_case(rng: np.random.Generator, shape: tuple[int, int, int]) -> tuple[Array, Array]:
    """Return one case: image (2, z, y, x) int16 and label map (z, y, x) uint8."""
    tissue = _anatomy(rng, shape)
    image = np.stack([_acquire(rng, tissue, channel) for channel in range(2)])
    label = np.where(tissue == CODES["body"], BODY, np.where(tissue == CODES["cap"], CAP, 0))
    return image, label.astype(np.uint8)


@dataclass(frozen=True)
class _Canvas:
    """Tissue codes (z, y, x), painted as ellipsoids. Lengths are fractions of half the volume's extent."""

    codes: Array

    def distance(self, centre: Array, radii: Array) -> Array:
        """Return the squared distance of each voxel in units of the radii; it is below 1 inside the ellipsoid."""
        axes = (np.linspace(-1, 1, size) for size in self.codes.shape)
        grid = np.meshgrid(*axes, indexing="ij", sparse=True)
        squares = (((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True))
        return np.asarray(sum(squares))

    def paint(self, centre: Array, radii: Array, tissue: str) -> None:
        self.codes[self.distance(centre, radii) < 1] = CODES[tissue]


def _anatomy(rng: np.random.Generator, shape: tuple[int, int, int]) -> Array:
    canvas = _Canvas(np.zeros(shape, np.uint8))
    head = rng.uniform(0.88, 0.98, 3)
    canvas.paint(np.zeros(3), head, "rim")
    canvas.paint(np.zeros(3), head - 0.12, "tissue")
    _paint_vessels(rng, canvas)
    side = rng.choice((-1, 1))
    _paint_organ(rng, canvas, -side, "false body", "false cap")
    _paint_organ(rng, canvas, side, "body", "cap")
    return canvas.codes


def _paint_vessels(rng: np.random.Generator, canvas: _Canvas) -> None:
    """Paint balls that are as bright as the organ in both channels and smaller."""
    for _ in range(10):
        place = rng.normal(size=3)
        place *= rng.uniform(0.2, 0.65) / np.linalg.norm(place)
        canvas.paint(place, rng.uniform(0.08, 0.14) * np.ones(3), str(rng.choice(["body", "cap"])) + " vessel")


def _paint_organ(rng: np.random.Generator, canvas: _Canvas, side: int, body: str, cap: str) -> None:
    """Paint a body, and a cap on its surface, on one side of the second axis."""
    centre = rng.uniform(-0.12, 0.12, 3) + np.array((0, 0.4 * side, 0))
    radii = rng.uniform(0.24, 0.36, 3)
    direction = rng.normal(size=3) * (1, 0.3, 1)
    direction /= np.linalg.norm(direction)
    canvas.paint(centre + direction * radii, rng.uniform(0.22, 0.3, 3), cap)
    canvas.paint(centre, radii, body)


def _acquire(rng: np.random.Generator, tissue: Array, channel: int) -> Array:
    """Return a simulated scan of one channel: contrast, partial volume, bias field, Rician noise; int16."""
    bright = np.array([levels[channel] for levels in TISSUES.values()])
    middle = bright[CODES["tissue"]]
    bright = np.where(bright > 0, middle + (bright - middle) * rng.uniform(*CONTRAST), 0)
    clean = ndimage.gaussian_filter(bright[tissue], BLUR) * _bias_field(rng, tissue.shape)
    real, imaginary = rng.normal(scale=NOISE, size=(2, *tissue.shape))
    magnitude: Array = np.hypot(clean + real, imaginary) * rng.uniform(*SCALE)
    return np.round(magnitude).astype(np.int16)


def _bias_field(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    coarse = rng.normal(scale=BIAS, size=(3, 3, 3))
    field = ndimage.zoom(coarse, [size / 3 for size in shape], order=3, mode="nearest")
    return np.asarray(np.exp(field))


def _description(cases: int) -> dict[str, Any]:
    return {
        "name": "Phantom",
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "body": BODY, "cap": CAP},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }
