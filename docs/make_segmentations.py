"""Draw docs/segmentations.png: `python docs/make_segmentations.py IMAGES REFERENCES PREDICTIONS CASE..`.

The folders are those of `nnplug predict` and of nnU-Net's layout; images and label maps end in .nii.gz. For the picture
of this repository, `bench/quality_run.py one --dataset hippocampus --recipe fast --iterations 300` trained.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nnplug.pictures.overlay import OverlayCase, draw_overlays

CLASSES = ("anterior", "posterior")


def main(images: str, references: str, predictions: str, *cases: str) -> None:
    """Draw a row per case: image, reference and prediction."""
    rows = [
        OverlayCase(
            case,
            (Path(images) / f"{case}_0000.nii.gz",),
            Path(references) / f"{case}.nii.gz",
            Path(predictions) / f"{case}.nii.gz",
        )
        for case in cases
    ]
    draw_overlays(rows, Path(__file__).with_name("segmentations.png"), class_names=CLASSES)


if __name__ == "__main__":
    main(*sys.argv[1:])
