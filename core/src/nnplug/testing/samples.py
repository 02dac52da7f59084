"""Tiny synthetic data for the checks of components."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnplug.dataset.description import DatasetDescription
from nnplug.io.crop_info import CropInfo
from nnplug.plans.fingerprint import Fingerprint, IntensityStats
from nnplug.workspace.case_store import CaseStore, Prepared
from nnplug.workspace.previous_labels import PreviousLabels
from nnplug.workspace.unlabelled import UnlabelledStore

CHANNELS = 2
SHAPE = (12, 16, 14)
BLOCK = 2
"""The edge of a block of one class in `separable`, in voxels."""
SCALE = 100
"""The divisor that stands for normalisation."""
DESCRIPTION = DatasetDescription.from_data(
    {
        "channel_names": {"0": "T1", "1": "T2"},
        "labels": {"background": 0, "organ": 1, "tumour": 2},
        "numTraining": 3,
        "file_ending": ".nii.gz",
    },
    "the kit's dataset.json",
)
LABELS = DESCRIPTION.labels
STATISTICS = IntensityStats(
    mean=90.0, median=88.0, std=40.0, min=1.0, max=200.0, percentile_00_5=2.0, percentile_99_5=198.0
)

Image = npt.NDArray[np.float32]
Label = npt.NDArray[np.int16]


def fingerprint(spacing: tuple[float, float, float], shape: tuple[int, int, int]) -> Fingerprint:
    """Return the fingerprint of three cases whose sizes differ a little in plane."""
    z, y, x = shape
    return Fingerprint(
        spacings=(spacing,) * 3,
        shapes_after_crop=tuple((z, y + 2 * i, x + i) for i in range(3)),
        foreground_intensity_properties_per_channel={str(c): STATISTICS for c in range(CHANNELS)},
        median_relative_size_after_cropping=0.5,
    )


def volume(seed: int, shape: tuple[int, ...] = SHAPE) -> tuple[Image, Label]:
    """Return an image (C, *shape) float32 of whole numbers and a label map (*shape) int16 of two boxes.

    The border is -1 in the label map and 0 in the image.
    """
    rng = np.random.default_rng(seed)
    label = np.zeros(shape, np.int16)
    label[tuple(slice(n // 4, n // 2) for n in shape)] = 1
    label[tuple(slice(n // 2, 3 * n // 4) for n in shape)] = 2
    image = (rng.integers(1, 60, (CHANNELS, *shape)) + 70 * label).astype(np.float32)
    outside = np.ones(shape, np.bool_)
    outside[(slice(1, -1),) * len(shape)] = False
    label[outside] = -1
    image[:, outside] = 0
    return image, label


def separable(seed: int) -> tuple[Image, Label]:
    """Return a volume of blocks of all classes, equally frequent; the class follows from the voxel's intensity.

    So every common loss falls when a network learns: no class is so rare that ignoring it would reduce the loss.
    """
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, CHANNELS + 1, [-(-n // BLOCK) for n in SHAPE])
    label = np.kron(blocks, np.ones((BLOCK,) * 3, int))[tuple(map(slice, SHAPE))].astype(np.int16)
    bright = np.stack([label == channel + 1 for channel in range(CHANNELS)])
    return (500 * bright + rng.normal(scale=1, size=(CHANNELS, *SHAPE))).astype(np.float32), label


def write_cases(
    folder: Path,
    *,
    previous: Path | None = None,
    make: Callable[[int], tuple[Image, Label]] = volume,
    make_previous: Callable[[int], tuple[Image, Label]] = volume,
    names: str = "abc",
) -> CaseStore:
    """Write preprocessed cases and return their store.

    Args:
        folder: the folder of the store.
        previous: the folder for the label maps of a previous stage; None without a previous stage.
        make: seed of a case -> its image (C, z, y, x) and label map (z, y, x).
        make_previous: seed of a case, counted from 1 -> a pair whose label map is that of the previous stage.
        names: the names of the cases, one letter each.
    """
    labels = None if previous is None else PreviousLabels(previous)
    store = CaseStore(folder, previous=labels)
    for seed, name in enumerate(names):
        store.write(name, _prepared(*make(seed)))
        if labels is not None:
            labels.write(name, np.maximum(make_previous(seed + 1)[1], 0), source="the kit")
    return store


def write_unlabelled(folder: Path, names: str) -> UnlabelledStore:
    """Write preprocessed images without label maps, of the names of one letter each, and return their store."""
    store = UnlabelledStore(folder)
    for number, name in enumerate(names):
        store.write(name, _prepared(*volume(100 + number)), source="the kit")
    return store


def _prepared(image: Image, label: Label) -> Prepared:
    z, y, x = SHAPE
    crop_info = CropInfo(
        original_shape=SHAPE,
        original_spacing=(1.0, 1.0, 1.0),
        transpose_forward=(0, 1, 2),
        bounding_box=((0, z), (0, y), (0, x)),
        shape=SHAPE,
        spacing=(1.0, 1.0, 1.0),
    )
    return Prepared(image / np.float32(SCALE), label, crop_info.data())
