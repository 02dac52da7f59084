"""Read training cases, and check them for errors that would spoil the training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile
from nnplug.io.default_reader.integrity import nonfinite_voxels
from nnplug.io.images import Image, read_image, read_label
from nnplug.io.placement import check_same_grid, orientation
from nnplug.io.thin_axis import turned_image, turned_label
from nnplug.remedies import Action

ALPHA_REMEDY = "the last one is transparency (an alpha channel); save the image without it"
"""What to do about a channel too many, if it is transparency."""


@dataclass(frozen=True)
class TrainingCase:
    """An image with its label map.

    Attributes:
        name: the name of the case.
        image: (C, z, y, x) float32, in the units of the file.
        label: (z, y, x) int16.
        spacing: (z, y, x) in mm.
        orientation: the sides that the axes x, y, z point to, such as "RAS"; None for 2D images.
    """

    name: str
    image: npt.NDArray[np.float32]
    label: npt.NDArray[np.int16]
    spacing: tuple[float, float, float]
    orientation: str | None = None


def read_training_case(files: CaseFiles, description: DatasetDescription) -> TrainingCase:
    """Return image and label map of a case, checked. The axis of a single slice is first, see `nnplug.io.thin_axis`.

    Raises:
        InvalidFile: a file cannot be read, or has NaN, infinity or an unknown label value; or image, label map and
            `dataset.json` do not match, also in the order of their voxels. The message names the file, the value and
            the remedy.
    """
    assert files.label is not None, "training cases have labels"
    image, label = read_image(files.images, files.readers), read_label(files.label, files.readers)
    where = files.images[0]
    check_channels(image, description.channel_names, where=where)
    check_same_grid(files.label, label.geometry, where, image.geometry)
    image, label = turned_image(image), turned_label(label)
    check_numbers(files, image.array)
    _check_values(label.array, description.labels, str(files.label))
    return TrainingCase(files.name, image.array, label.array, image.geometry.spacing, orientation(image.geometry))


def read_unlabelled_image(files: CaseFiles, description: DatasetDescription) -> Image:
    """Return an image without a label map, checked. The axis of a single slice is first.

    Raises:
        InvalidFile: a file cannot be read, or has NaN or infinity; or the image has other channels than `dataset.json`.
    """
    image = read_image(files.images, files.readers)
    check_channels(image, description.channel_names, where=files.images[0])
    image = turned_image(image)
    check_numbers(files, image.array)
    return image


def check_channels(image: Image, names: Sequence[str], *, where: Path | None = None) -> None:
    """Raise `InvalidFile` unless an image has the channels that `dataset.json` or a model names.

    Args:
        image: the image.
        names: the names of the expected channels.
        where: the first file of the image, for the message.
    """
    if problem := channel_mismatch(len(image.array), len(names), names):
        place = "" if where is None else f"{where}: "
        if image.geometry.has_alpha:
            raise InvalidFile(f"{place}{problem}; {ALPHA_REMEDY}")
        raise InvalidFile(f"{place}{problem}. Give a file per channel: CASE_0000, CASE_0001 ..")


def channel_mismatch(found: int, expected: int, names: Sequence[str] = ()) -> str | None:
    """Return the words of a message about a wrong number of channels, or None if it is right.

    Args:
        found: the number of channels of an image.
        expected: the number that it must have.
        names: the names of the expected channels, if they are known.
    """
    if found == expected:
        return None
    listed = f" ({', '.join(names)})" if names else ""
    return f"the image has {found} channels, expected {expected}{listed}"


def check_numbers(files: CaseFiles, image: npt.NDArray[np.float32]) -> None:
    """Raise `InvalidFile` if a file, or the image (C, z, y, x) read from it, has NaN or infinite voxels.

    The bytes of NIfTI files are checked too, because ITK reads their NaN as 0.
    """
    for path, channels in zip(files.images, np.array_split(image, len(files.images)), strict=True):
        if problem := nonfinite_voxels(channels, path):
            raise InvalidFile(f"{path}: {problem}.", Action.VERIFY())


def _check_values(label: npt.NDArray[np.int16], labels: Labels, where: str) -> None:
    known = [*labels.all_values, *([] if labels.ignore is None else [labels.ignore])]
    is_known = np.zeros(1 << 16, np.bool_)  # indexed by the bits of a value: one lookup per voxel, no sorting
    is_known[known] = True
    if not is_known[label.view(np.uint16)].all():
        unknown = sorted(set(np.unique(label).tolist()) - set(known))
        raise InvalidFile(
            f"{where}: holds the label value {unknown[0]}; dataset.json has {', '.join(map(str, known))}. "
            f"Correct the file or add the label.",
            Action.VERIFY(),
        )
