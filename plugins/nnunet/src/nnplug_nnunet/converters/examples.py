"""Small images and label maps for the examples of all converters."""

from __future__ import annotations

from nnplug.io.images import Geometry
from nnplug.testing.samples import SHAPE, Image, Label, volume

SPACING = (1.0, 1.0, 1.0)
GEOMETRY = Geometry(SHAPE, SPACING, SPACING, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))


def volumes(seed: int) -> tuple[Image, Label]:
    """Return an image of two channels (C, z, y, x) and a label map (z, y, x) with the values 0, 1 and 2."""
    image, label = volume(seed)
    return image, label.clip(min=0)
