"""Small images and label maps for the examples of the converters."""

from __future__ import annotations

from pathlib import Path

from nnplug.io.images import Geometry, write_image, write_label
from nnplug.testing.samples import SHAPE, volume

SPACING = (1.0, 1.0, 1.0)
GEOMETRY = Geometry(SHAPE, SPACING, SPACING, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def write_images(image: Path, label: Path | None, seed: int, channel: int = 0) -> None:
    """Write an image, and a label map with the values 0, 1 and 2 unless its path is None."""
    voxels, labels = volume(seed)
    write_image(image, voxels[channel], GEOMETRY)
    if label is not None:
        write_label(label, labels.clip(min=0), GEOMETRY)
