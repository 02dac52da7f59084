"""Find the images of the cases of a report."""

from __future__ import annotations

import os
from pathlib import Path

from nnplug.dataset.case_files import image_cases
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.listed import listed_cases
from nnplug.errors import NnplugError
from nnplug.io.readers import Readers


def listed_images(name: str, description: DatasetDescription | None, reference: Path | None) -> tuple[Path, ...]:
    """Return the images that `dataset.json` lists for a case; none if it lists no files, or they are not there.

    Listed paths are relative to the dataset, which is known by the path of the reference.
    """
    entry = None if description is None else (description.files or {}).get(name)
    if entry is None or reference is None:
        return ()
    folder = Path(str(reference).removesuffix(os.path.expandvars(entry["label"])))
    images = tuple(folder / os.path.expandvars(image) for image in entry["images"])
    return images if all(image.is_file() for image in images) else ()


def images_in(folder: Path, description: DatasetDescription | None, readers: Readers) -> dict[str, tuple[Path, ...]]:
    """Return the images of each case of a folder, or of a dataset whose `dataset.json` lists them.

    Raises:
        NnplugError: the folder is missing.
    """
    if not folder.is_dir():
        raise NnplugError(f"{folder}: no such folder; give a folder of images CASE_0000")
    if listed := listed_cases(folder, readers):
        return {case.name: case.images for case in (*listed.training, *listed.testing)}
    endings = readers.endings if description is None else (description.file_ending,)
    return {case.name: case.images for ending in endings for case in image_cases(folder, ending, readers)}
