"""What nnU-Net reads and how it splits, as golden figures: run with a Python that has nnunetv2 2.8.1."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.imageio.natural_image_reader_writer import NaturalImage2DIO
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO
from nnunetv2.imageio.simpleitk_reader_writer import SimpleITKIO
from nnunetv2.imageio.tif_reader_writer import Tiff3DIO
from sample_images import write_images
from sklearn.model_selection import KFold

READERS = {
    "SimpleITKIO": (SimpleITKIO, ("a.nii.gz", "flat.nii.gz", "several.nii.gz", "a.nrrd", "a.mha")),
    "NibabelIO": (NibabelIO, ("a.nii.gz",)),
    "NaturalImage2DIO": (
        NaturalImage2DIO,
        ("gray.png", "rgb.png", "rgba.png", "deep.png", "gray.bmp", "rgb.bmp", "gray.tif", "rgb.tif"),
    ),
    "Tiff3DIO": (Tiff3DIO, ("volume.tif",)),
}


def images() -> dict:
    """Reader and file -> shape, spacing and values."""
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name))
        return {
            f"{reader} {file}": _read(rw(), f"{name}/{file}")
            for reader, (rw, files) in READERS.items()
            for file in files
        }


def _read(reader: Any, path: str) -> dict:
    array, properties = reader.read_images((path,))
    return {
        "shape": list(array.shape),
        "spacing": [float(s) for s in properties["spacing"]],
        "values": array.ravel().astype(int).tolist(),
    }


def folds() -> dict:
    """Number of cases -> [train, val] indices per fold."""
    out = {}
    for n in (2, 3, 5, 7, 12, 24):
        split = KFold(min(5, n), shuffle=True, random_state=12345).split(range(n))
        out[str(n)] = [[part.tolist() for part in fold] for fold in split]
    return out


def beyond() -> dict:
    """ "cases fold" -> [train, val] of the random 80:20 split of a fold that the file lacks."""
    out = {}
    for n, fold in ((2, 5), (5, 5), (13, 7), (24, 6)):
        drawn = np.random.RandomState(12345 + fold).choice(n, int(n * 0.8), replace=False)
        out[f"{n} {fold}"] = [drawn.tolist(), [i for i in range(n) if i not in drawn]]
    return out


if __name__ == "__main__":
    target = Path(sys.argv[1])
    (target / "images.json").write_text(json.dumps(images()) + "\n")
    (target / "splits.json").write_text(json.dumps({"folds": folds(), "beyond": beyond()}) + "\n")
