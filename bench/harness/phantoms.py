"""Datasets of the size of real ones for machines that have none: times depend on sizes, not on what is seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.nnunet import dataset_json

if TYPE_CHECKING:
    import numpy as np


def phantom(folder: Path, *, shape: tuple[int, int, int], channels: int, classes: int, cases: int) -> Path:
    """Write noise with a box per class, once."""
    import numpy as np

    if folder.exists():
        return folder
    random, description = np.random.default_rng(0), dataset_json(classes, cases)
    description["channel_names"] = {str(c): f"MRI{c}" for c in range(channels)}
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    label = np.zeros(shape, np.uint8)
    for k in range(1, classes):
        label[tuple(slice(k * n // (classes + 2), (k + 2) * n // (classes + 2)) for n in shape)] = k
    for index in range(cases):
        for channel in range(channels):
            image = random.normal(100 * label, 30, shape).astype(np.int16)
            _write(image, folder / "imagesTr" / f"case_{index:03d}_{channel:04d}.nii.gz")
        _write(label, folder / "labelsTr" / f"case_{index:03d}.nii.gz")
    (folder / "dataset.json").write_text(json.dumps(description))
    return folder


def _write(array: np.ndarray[Any, Any], path: Path) -> None:
    import SimpleITK

    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))
