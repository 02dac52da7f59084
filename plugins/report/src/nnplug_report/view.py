"""Make the page of `nnplug view`: an image, and label maps over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from nnplug.dataset.case_files import channel_number, group_channels
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidFile
from nnplug.evaluation.pairs import folder_readers
from nnplug.io.images import read_label
from nnplug.io.readers import Readers
from nnplug_report.page import render
from nnplug_report.shown_case import VOXELS, ShownFiles, show_case
from nnplug_report.subject import LabelClass, classes_of
from nnplug_report.viewer import ListedCase, label_names, make_viewer

_MORE_VOXELS = 8 * VOXELS
"""The most voxels of a page with one case."""


@dataclass(frozen=True)
class ViewRequest:
    """The files to view.

    Attributes:
        image: a file; of a file CASE_0000 the other channels are shown too.
        labels: label maps on the grid of the image.
        readers: the readers to choose from.
        command: the words of the user's command line, for the page.
    """

    image: Path
    labels: tuple[Path, ...]
    readers: Readers
    command: tuple[str, ...] = ()


def view_page(request: ViewRequest) -> str:
    """Return the page that shows an image with its label maps.

    Raises:
        InvalidFile: a file cannot be read, or a label map lies on another grid than the image.
    """
    description = _description((*request.labels, request.image))
    readers = folder_readers((*request.labels, request.image)[0].parent, request.readers)
    images, name = _channels(request.image, readers)
    channels = description.channel_names if description and len(description.channel_names) == len(images) else ()
    layers = dict(zip(_titles(request.labels), request.labels, strict=True))
    shown = show_case(ShownFiles(name, images, layers, readers, channels), voxels=_MORE_VOXELS)
    classes: tuple[LabelClass, ...] = () if description is None else classes_of(description)
    values = {int(value) for path in request.labels for value in np.unique(read_label(path, readers).array)} - {0}
    values_of = {
        "title": name,
        "viewer": make_viewer([ListedCase(shown)], label_names(classes, values)),
        "command": " ".join(request.command) or "nnplug",
        "created": datetime.now(UTC).astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    }
    return render("view.html", values_of, has_viewer=True)


def _channels(image: Path, readers: Readers) -> tuple[tuple[Path, ...], str]:
    """Return the files of all channels of an image, and the name of the case."""
    if not image.is_file():
        raise InvalidFile(f"{image}: no such file; give an image, and then label maps")
    ending = readers.ending(image) or image.suffix
    if channel_number(image, ending) is None:
        return (image,), image.name.removesuffix(ending)
    for case in group_channels(sorted(image.parent.glob(f"*{ending}")), ending, readers):
        if image in case.images:
            return case.images, case.name
    return (image,), image.name.removesuffix(ending)


def _description(files: Sequence[Path]) -> DatasetDescription | None:
    """Return the first `dataset.json` beside a file or in the folder above it."""
    for folder in dict.fromkeys(place for file in files for place in (file.parent, file.parent.parent)):
        if (folder / "dataset.json").is_file():
            return DatasetDescription.read(folder / "dataset.json")
    return None


def _titles(labels: Sequence[Path]) -> list[str]:
    """Return a name for each label map: that of its file, with the folder if two have one name."""
    names = [path.name for path in labels]
    return [str(path) if names.count(path.name) > 1 else path.name for path in labels]
