"""Draw pictures of label maps on their image, with reference and prediction side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.io.images import Image, read_image, read_label
from nnplug.io.placement import check_same_grid
from nnplug.io.readers import Readers, core_readers
from nnplug.pictures.colours import hexadecimal, label_colour
from nnplug.pictures.drawing import draw_slice, shown_slice
from nnplug.runtime.files import atomic_file

_OPACITY = 0.45
_PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class OverlayCase:
    """The files of one row of a picture, and the readers of these files."""

    name: str
    images: tuple[Path, ...]
    reference: Path
    prediction: Path
    readers: Readers = field(default_factory=core_readers, compare=False, repr=False)


def draw_overlays(cases: Sequence[OverlayCase], picture: Path, *, class_names: Sequence[str] = ()) -> None:
    """Draw a PNG with a row per case: each channel, then the reference and the prediction on the first channel.

    It shows the slice on the first axis with the most foreground in the reference.

    Args:
        cases: the rows; their label maps are read whole.
        picture: the file to write.
        class_names: the names of labels 1, 2, .. for the legend.

    Raises:
        InvalidFile: an image or label map cannot be read.
    """
    from matplotlib.figure import Figure

    rows = [_row(case) for case in cases]
    columns = len(rows[0])
    figure = Figure(figsize=(3 * columns, 3.2 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for case, axes, panels in zip(cases, grid, rows, strict=True):
        for axis, (title, image, labels) in zip(axes, panels, strict=True):
            _panel(axis, f"{case.name}: {title}", image, labels)
    _legend(figure, class_names)
    with atomic_file(picture) as temporary:
        figure.savefig(temporary, dpi=90)


def _row(case: OverlayCase) -> list[tuple[str, npt.NDArray[Any], npt.NDArray[Any] | None]]:
    read = read_image(case.images, case.readers)
    image, (reference, prediction) = (
        read.array,
        (_label(case, file, read) for file in (case.reference, case.prediction)),
    )
    z = shown_slice(reference)
    channels = [(f"channel {c}", channel[z], None) for c, channel in enumerate(image)]
    return [*channels, ("reference", image[0, z], reference[z]), ("prediction", image[0, z], prediction[z])]


def _label(case: OverlayCase, file: Path, image: Image) -> LabelArray:
    """Return a label map; raise `InvalidFile` if its image has another shape or order of voxels."""
    label = read_label(file, case.readers)
    check_same_grid(file, label.geometry, case.images[0], image.geometry)
    return label.array


def _panel(axes: Any, title: str, image: npt.NDArray[Any], labels: npt.NDArray[Any] | None) -> None:
    picture = draw_slice(image, labels, percentiles=_PERCENTILES, opacity=_OPACITY)
    axes.imshow(picture, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _legend(figure: Any, names: Sequence[str]) -> None:
    from matplotlib.patches import Patch

    if names:
        patches = [
            Patch(color=hexadecimal(label_colour(label)), label=name) for label, name in enumerate(names, start=1)
        ]
        figure.legend(handles=patches, loc="outside lower center", ncols=len(patches))
