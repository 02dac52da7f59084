"""Draw one picture per case of a folder: the image, and label maps over it, without resampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk  # noqa: N813

from nnplug.arrays import LabelArray
from nnplug.dataset.case_files import CaseFiles, channel_number
from nnplug.dataset.dataset import Dataset
from nnplug.dataset.file_names import file_ending, image_files, stem
from nnplug.dataset.listed import ListedCases, listed_cases
from nnplug.dataset.sidecars import images_in, read_with
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.io.images import read_label, read_voxels
from nnplug.io.placement import check_same_grid
from nnplug.io.readers import Readers, core_readers
from nnplug.pictures.drawing import Picture, draw_slice, shown_slice
from nnplug.runtime.executor import Executor
from nnplug.runtime.files import atomic_file
from nnplug.runtime.outputs import Outputs
from nnplug.runtime.progress import Progress
from nnplug.workspace.case_store import CaseStore, StoredCase

OPACITY = 0.5
PERCENTILES = (0.5, 99.5)

Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Layers:
    """The file of the shown channel of a case, its number in that file, and the label maps to draw over it.

    All files are read by `readers`.
    """

    name: str
    image: Path
    channel: int
    labels: tuple[Path, ...]
    readers: Readers


@dataclass(frozen=True)
class OverlayFolders:
    """The folders of the files to draw.

    Attributes:
        images: the folder of image files CASE_0000, CASE_0001 .. or CASE; or a dataset that lists its files.
        labels: folders of label maps CASE, such as references and predictions; or such datasets.
        readers: the readers of these files.
    """

    images: Path
    labels: tuple[Path, ...]
    readers: Readers = field(default_factory=core_readers)


def draw_overlay_folder(
    folders: OverlayFolders,
    output: Path,
    *,
    channel: int = 0,
    opacity: float = OPACITY,
    replace: bool = False,
    executor: Executor,
    progress: Progress,
) -> int:
    """Draw OUTPUT/CASE.png for every label map of the first folder: the image, then each label map over the image.

    A picture shows the slice on the first axis with the most foreground in the first folder's label map.

    Args:
        folders: the folders of images and label maps.
        output: the folder for the pictures.
        channel: the number of the shown channel.
        opacity: the opacity of the label maps, 0 to 1.
        replace: whether to replace pictures that nnplug did not write, or that have changed since it wrote them.
        executor: draws the cases in parallel.
        progress: receives the progress.

    Returns:
        The number of pictures.

    Raises:
        Problems: files are missing, would be lost (`nnplug.runtime.outputs.Outputs.check`) or cannot be drawn, a line
            each.
    """
    cases = _cases(folders, channel)
    inputs = [file for folder in (folders.images, *folders.labels) for file in images_in(folder, folders.readers)]
    Outputs(_pictures(output, cases), tuple(inputs)).claim(replace=replace)
    return _draw_all(partial(_draw_files, output=output, opacity=opacity), cases, executor, progress)


def draw_overlay_dataset(
    dataset: Dataset,
    output: Path,
    *,
    channel: int = 0,
    opacity: float = OPACITY,
    replace: bool = False,
    executor: Executor,
    progress: Progress,
) -> int:
    """Draw OUTPUT/CASE.png for every training case with its reference; arguments as in `draw_overlay_folder`."""
    training = dataset.training_cases()
    cases = [_layers(case, channel) for case in training]
    inputs = [file for case in training for file in (*case.images, case.label) if file is not None]
    Outputs(_pictures(output, cases), read_with(inputs, dataset.readers)).claim(replace=replace)
    return _draw_all(partial(_draw_files, output=output, opacity=opacity), cases, executor, progress)


def draw_overlay_store(
    store: CaseStore,
    output: Path,
    *,
    channel: int = 0,
    opacity: float = OPACITY,
    replace: bool = False,
    executor: Executor,
    progress: Progress,
) -> int:
    """Draw OUTPUT/CASE.png for every preprocessed case, on its own grid; arguments as in `draw_overlay_folder`."""
    cases = list(store.values())
    Outputs(_pictures(output, cases)).claim(replace=replace)
    draw = partial(_draw_stored, output=output, channel=channel, opacity=opacity)
    return _draw_all(draw, cases, executor, progress)


def _pictures(output: Path, cases: Sequence[Layers] | Sequence[StoredCase]) -> tuple[Path, ...]:
    return tuple(output / f"{case.name}.png" for case in cases)


def _draw_all(draw: Callable[[Drawn], None], cases: Sequence[Drawn], executor: Executor, progress: Progress) -> int:
    with progress.task("overlay", len(cases)) as advance:
        for _ in executor.map(draw, cases, stage="overlay", name=attrgetter("name")):
            advance("")
    return len(cases)


def _cases(folders: OverlayFolders, channel: int) -> list[Layers]:
    images, labels, readers = folders.images, folders.labels, folders.readers
    compared = [_label_maps(folder, readers) for folder in labels[1:]]
    found = _label_maps(labels[0], readers, frozenset(compared[0]) if compared else None)
    if not found:
        raise InvalidFile(f"{labels[0]}: no label maps; give a folder of files CASE.nii.gz")
    channels = _channels(images, readers)
    problems: list[str] = []
    cases = []
    for name, path in found.items():
        files = channels.get(name, {})
        others = [own.get(name, place / path.name) for place, own in zip(labels[1:], compared, strict=True)]
        problems += [f"{other}: is missing" for other in others if not other.exists()]
        file = files.get(channel, files.get(-1))
        if file is None:
            problems.append(f"{images}: has no channel {channel} of case {name!r}, which {path} belongs to")
        else:
            cases.append(Layers(name, file, 0 if channel in files else channel, (path, *others), readers))
    if problems:
        raise Problems(problems)
    return cases


def _label_maps(folder: Path, readers: Readers, names: frozenset[str] | None = None) -> Mapping[str, Path]:
    """Return case -> label map of a folder, or of a dataset that lists its files; see `ListedCases.labels`."""
    listed = listed_cases(folder, readers).labels(names) if folder.is_dir() else {}
    return listed or {stem(path, readers): path for path in image_files(folder, readers)}


def _channels(folder: Path, readers: Readers) -> Mapping[str, Mapping[int, Path]]:
    """Return case -> channel -> file; -1 stands for a file CASE with all channels."""
    listed = listed_cases(folder, readers) if folder.is_dir() else ListedCases()
    cases = {case.name: _numbered(case.images) for case in (*listed.training, *listed.testing)}
    for path in image_files(folder, readers):
        number = channel_number(path, file_ending(path, readers) or "")
        name = stem(path, readers) if number is None else stem(path, readers)[: -len("_0000")]
        cases.setdefault(name, {})[-1 if number is None else number] = path
    return cases


def _numbered(images: Sequence[Path]) -> dict[int, Path]:
    return {-1: images[0]} if len(images) == 1 else dict(enumerate(images))


def _layers(case: CaseFiles, channel: int) -> Layers:
    """Return the layers of a training case, which has one file per channel or one file with all channels."""
    assert case.label is not None, "training cases have labels"
    if len(case.images) == 1:
        return Layers(case.name, case.images[0], channel, (case.label,), case.readers)
    if channel >= len(case.images):
        raise NnplugError(f"{case.name}: has {len(case.images)} channels, there is no channel {channel}")
    return Layers(case.name, case.images[channel], 0, (case.label,), case.readers)


def _draw_files(case: Layers, *, output: Path, opacity: float) -> None:
    voxels, geometry = read_voxels(case.image, case.readers)
    if case.channel >= len(voxels):
        raise NnplugError(f"{case.image}: has {len(voxels)} channels, there is no channel {case.channel}")
    volume = voxels[case.channel]
    read = [read_label(path, case.readers) for path in case.labels]
    for path, label in zip(case.labels, read, strict=True):
        check_same_grid(path, label.geometry, case.image, geometry)
    _write(output / f"{case.name}.png", _picture(volume, [label.array for label in read], opacity))


def _draw_stored(case: StoredCase, *, output: Path, channel: int, opacity: float) -> None:
    if channel >= len(case.image):
        raise NnplugError(f"{case.name}: has {len(case.image)} channels, there is no channel {channel}")
    _write(output / f"{case.name}.png", _picture(case.image[channel], [case.label[...]], opacity))


def _picture(volume: npt.NDArray[Any], maps: Sequence[LabelArray], opacity: float) -> Picture:
    """Return the slice with the most foreground in the first map: without labels, then with each map."""
    z = shown_slice(maps[0])
    draw = partial(draw_slice, volume[z], percentiles=PERCENTILES, opacity=opacity)
    return np.concatenate([draw(None), *(draw(label[z]) for label in maps)], axis=1)


def _write(path: Path, picture: npt.NDArray[Any]) -> None:
    with atomic_file(path) as temporary:
        sitk.WriteImage(sitk.GetImageFromArray(picture, isVector=True), str(temporary))
