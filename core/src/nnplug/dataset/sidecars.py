"""Sidecar files of images and label maps, such as CASE.json with the spacing of CASE.tif."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.listed import ListedCases, listed_cases
from nnplug.io.images import read_label, write_label
from nnplug.io.readers import Readers, readers_or_core
from nnplug.runtime.files import copy_file


def read_with(files: Iterable[Path], readers: Readers | None = None) -> tuple[Path, ...]:
    """Return image files, each with the other files that its reader may read."""
    own = readers_or_core(readers)
    return tuple(place for file in files for place in (file, *_read_with(file, own)))


def read_with_cases(cases: Iterable[CaseFiles]) -> tuple[Path, ...]:
    """Return the image files of cases, each with the other files that its reader may read."""
    return tuple(place for case in cases for place in read_with(case.images, case.readers))


def written_with(file: Path, readers: Readers | None = None) -> tuple[Path, ...]:
    """Return the files that writing a label map may write: the file itself and its sidecar files."""
    reader = readers_or_core(readers).sidecars(file)
    return (file, *(() if reader is None else reader.written_with(file)))


def state_files(files: Iterable[Path], readers: Readers) -> tuple[Path, ...]:
    """Return the files whose change makes results outdated: image files, and their existing sidecar files.

    Sidecar files of the implied reader are left out, so that results of older versions stay valid.
    """
    found = []
    for file in files:
        reading = readers.ending(file) is not None and not readers.entry(file).component.implied
        found += [file, *(place for place in _read_with(file, readers) if reading and place.is_file())]
    return tuple(found)


def copy_label(file: Path, target: Path, readers: Readers) -> None:
    """Copy a label map with the sidecar files that writing it has written.

    A target of another format, or one that is a folder, is written with the same labels, and gets the time of the file,
    as a copy does.

    Raises:
        InvalidFile: the file is of another format and cannot be read.
        NnplugError: a file cannot be written.
    """
    if readers.ending(file) != readers.ending(target) or file.is_dir():
        label = read_label(file, readers)
        write_label(target, label.array, label.geometry, readers)
        os.utime(target, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
        return
    for source, copy in zip(written_with(file, readers), written_with(target, readers), strict=True):
        if source == file or source.is_file():
            copy_file(source, copy)


def images_in(folder: Path, readers: Readers | None = None) -> tuple[Path, ...]:
    """Return the images of a folder with their possible sidecar files; no files if the folder does not exist.

    Those of a dataset whose `dataset.json` lists its files are the listed images and label maps.
    """
    own = readers_or_core(readers)
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    listed = listed_cases(folder, own) if files else ListedCases()
    images = [file for case in (*listed.training, *listed.testing) for file in case.images]
    found = [file for file in files if file.name.lower().endswith(own.endings)]
    return read_with((*found, *images, *listed.labels().values()), own)


def _read_with(file: Path, readers: Readers) -> tuple[Path, ...]:
    reader = readers.folder_reader(file) or readers.sidecars(file)
    return () if reader is None else reader.read_with(file)
