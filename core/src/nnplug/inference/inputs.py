"""Find the images of a prediction in folders and files, and check them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnplug.dataset.cases import check_channels
from nnplug.dataset.dataset import FILE_ENDINGS, CaseFiles, channel_number, group_channels, image_cases
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.io.images import Image
from nnplug.io.integrity import nonfinite_voxels


def find_cases(inputs: Sequence[Path], ending: str) -> tuple[CaseFiles, ...]:
    """Return the cases in folders and files.

    Args:
        inputs: folders with CASE_0000, CASE_0001 .. and the ending; or image files of any format that nnplug reads.
            A file without a channel number is a case.
        ending: the file ending of the model's training images.

    Raises:
        Problems: a path is missing or not an image, a folder has no images, or two cases have one name; a line each.
    """
    failures: list[str] = []
    files: dict[str, list[Path]] = {}
    cases: list[CaseFiles] = []
    for path in inputs:
        if path.is_dir():
            found = image_cases(path, ending)
            cases += found
            if not found:
                failures.append(f"{path}: holds no images called CASE_0000{ending}; rename them, or give the files")
        elif (own := image_ending(path)) is None or not path.is_file():
            failures.append(f"{path}: {_no_image(path)}")
        else:
            files.setdefault(own, []).append(path)
    for own, paths in files.items():
        cases += group_channels(paths, own)
        cases += [CaseFiles(p.name.removesuffix(own), (p,)) for p in paths if channel_number(p, own) is None]
    names = [case.name for case in cases]
    failures += [f"{name}: two inputs have this name; predict them apart" for name in names if names.count(name) > 1]
    if failures:
        raise Problems(tuple(dict.fromkeys(failures)))
    return tuple(sorted(cases, key=lambda case: case.name))


def check_channel_numbers(case: CaseFiles) -> None:
    """Raise if the channel numbers of files have a gap: a later channel would replace a missing one.

    Raises:
        InvalidFile: they have a gap; the message names the missing file.
    """
    ending = image_ending(case.images[0]) or ""
    numbers = [channel_number(file, ending) for file in case.images]
    if numbers != [None] and numbers != list(range(len(numbers))):
        absent = next(i for i in range(len(numbers) + 1) if i not in numbers)
        raise InvalidFile(f"{case.images[0].parent}: {case.name}_{absent:04d}{ending} is missing; add the channel")


def _no_image(path: Path) -> str:
    if not path.exists():
        return "no such file or folder; give a folder of images, or image files"
    return f"no image that nnplug reads; it reads {', '.join(FILE_ENDINGS)}"


def check_image(image: Image, channel_names: Sequence[str]) -> None:
    """Raise unless the model can take an image.

    Raises:
        NnplugError: the number of channels differs, or a voxel is NaN or infinite.
    """
    check_channels(image.array, channel_names)
    for name, channel in zip(channel_names, image.array, strict=True):
        if problem := nonfinite_voxels(channel):
            raise NnplugError(f"channel {name!r}: {problem}.")


def image_ending(path: Path) -> str | None:
    """Return the ending of an image's name, such as ".nii.gz", or None for files that nnplug does not read."""
    return next((ending for ending in FILE_ENDINGS if path.name.endswith(ending)), None)
