"""Find the label maps of folders, and predictions with their references."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.cases import check_channels
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.listed import ListedCases, listed_cases
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.io.images import Image, LabelMap, read_image, read_label
from nnplug.io.placement import check_order, check_same_grid, displacements
from nnplug.io.readers import Readers, readers_or_core

Pair = tuple[Path, Path]
"""A prediction and its reference."""


def find_description(dataset_json: Path | None, predictions: Path) -> DatasetDescription | None:
    """Return the description that the user names, or else the `dataset.json` in the folder of predictions, or None."""
    beside = predictions / "dataset.json"
    chosen = dataset_json or (beside if beside.is_file() else None)
    return None if chosen is None else DatasetDescription.read(chosen)


def folder_readers(folder: Path, readers: Readers) -> Readers:
    """Return the readers for a folder of label maps: they prefer the one that its or its parent's `dataset.json` names.

    Raises:
        InvalidFile: the file is invalid, or no reader has the name in it.
    """
    for file in (folder / "dataset.json", folder.parent / "dataset.json"):
        if file.is_file():
            return DatasetDescription.read(file).readers(readers, str(file))
    return readers


def find_pairs(
    references: Path,
    predictions: Path,
    description: DatasetDescription | None,
    *,
    partial: bool = False,
    readers: Readers | None = None,
) -> list[Pair]:
    """Return predictions with their references, sorted by case name.

    References may be a dataset whose `dataset.json` lists its files.

    Raises:
        NnplugError, Problems: as in `evaluate`.
    """
    own = readers_or_core(readers)
    known = own.endings
    endings = known if description is None else (description.file_ending,)
    listed = listed_cases(references, own) if references.is_dir() else ListedCases()
    wanted = listed.labels() or _described_files(references, endings, known)
    given = _described_files(predictions, endings, known)
    wanted = listed.labels(frozenset(given)) or wanted
    absent = () if partial else wanted.keys() - given.keys()
    lines = [f"{wanted[name]}: has no prediction in {predictions}" for name in sorted(absent)]
    lines += [f"{given[name]}: has no reference in {references}" for name in sorted(given.keys() - wanted.keys())]
    if lines:
        raise Problems(lines)
    return [(file, wanted[name]) for name, file in given.items()]


def _described_files(folder: Path, endings: Sequence[str], known: Sequence[str]) -> dict[str, Path]:
    """Return the label maps with the described endings, or else those of all known ones; see `label_files`."""
    if folder.is_dir() and not any(
        file.name.lower().endswith(tuple(e.lower() for e in endings)) for file in folder.iterdir()
    ):
        return label_files(folder, known)
    return label_files(folder, endings)


def reference_files(folder: Path, readers: Readers) -> dict[str, Path]:
    """Return case name -> label map of a folder, or of a dataset whose `dataset.json` lists its files.

    Raises:
        NnplugError: the folder is missing, or has no label maps.
    """
    listed = listed_cases(folder, readers).labels() if folder.is_dir() else {}
    return listed or label_files(folder, readers.endings)


def label_files(folder: Path, endings: Sequence[str]) -> dict[str, Path]:
    """Return case name -> file of every label map in a folder, sorted.

    Raises:
        NnplugError: the folder is missing, or has no label maps.
    """
    if not folder.is_dir():
        raise NnplugError(f"{folder}: no such folder; give a folder of label maps")
    files = {}
    for file in sorted(folder.iterdir()):
        name = file.name.lower()
        ending = max((e for e in endings if name.endswith(e.lower())), key=len, default=None)
        if ending and not name.startswith("."):
            files[file.name[: -len(ending)]] = file
    if not files:
        raise NnplugError(f"{folder}: holds no label maps; expected files that end in {', '.join(endings)}")
    return files


def read_pair(prediction: Path, reference: Path, readers: Readers | None = None) -> tuple[LabelMap, LabelMap]:
    """Return a prediction and its reference, such as those of a `LabelledCase` with its `readers`.

    Displacements are remarks of the prediction's geometry.

    Raises:
        InvalidFile: a file cannot be read, or their shapes or the orders of their voxels differ.
    """
    predicted, expected = read_label(prediction, readers), read_label(reference, readers)
    check_order(prediction, predicted.geometry, reference, expected.geometry)
    if predicted.array.shape != expected.array.shape:
        raise InvalidFile(
            f"{prediction}: has shape {predicted.array.shape}, its reference {reference} has {expected.array.shape} "
            "(z, y, x); predict the image that the reference belongs to"
        )
    moved = displacements(prediction, predicted.geometry, reference, expected.geometry)
    remarks = (*predicted.geometry.remarks, *expected.geometry.remarks, *moved)
    return LabelMap(predicted.array, replace(predicted.geometry, remarks=remarks)), expected


def read_image_and_label(case: CaseFiles, channels: Sequence[str]) -> tuple[Image, LabelMap]:
    """Return the image of a case and its label map, both with the axes of their files.

    Args:
        case: a case with a label map.
        channels: the names of the channels that the image must have.

    Raises:
        InvalidFile: a file cannot be read; or the number of channels, the shapes or the orders of the voxels differ.
    """
    assert case.label is not None, "the label map to read"
    image, label_map = read_image(case.images, case.readers), read_label(case.label, case.readers)
    check_channels(image, channels, where=case.images[0])
    check_same_grid(case.label, label_map.geometry, case.images[0], image.geometry)
    return image, label_map
