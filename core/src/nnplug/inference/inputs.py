"""Find the images of a prediction in folders and files, and check them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nnplug.dataset.case_files import CaseFiles, channel_number, group_channels, image_cases
from nnplug.dataset.cases import check_channels
from nnplug.dataset.listed import listed_cases
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.inference.folder_images import ImageChoice, cases_of
from nnplug.io.default_reader.integrity import nonfinite_voxels
from nnplug.io.images import Image
from nnplug.io.reader import FoundImage
from nnplug.io.readers import Readers, readers_or_core
from nnplug.remedies import Action

_NAMED = 10
"""The largest number of files that a line names."""


def find_cases(
    inputs: Sequence[Path], ending: str, readers: Readers | None = None, choice: ImageChoice | None = None
) -> tuple[CaseFiles, ...]:
    """Return the cases in folders and files.

    Args:
        inputs: folders with CASE_0000, CASE_0001 ..; datasets whose `dataset.json` lists images, of which those under
            "testing" are taken, or else the training images; or image files of any format that is read. A file without
            a channel number is a case.
        ending: the file ending of the model's training images. A folder without such images may have images of one
            other format, or one that a reader of folders and archives finds in it, such as a DICOM series.
        readers: the readers of the images, see `nnplug.models.model_components.model_readers`; None for the core's.
        choice: how images in folders and archives are chosen and turned; None for the only one, as it is stored.

    Raises:
        Problems: a path is missing or not an image, a folder has no images or several, of which none is chosen, or two
            cases have one name; a line each.
    """
    own, chosen = readers_or_core(readers), choice or ImageChoice()
    failures: list[str] = []
    files: dict[str, list[Path]] = {}
    cases: list[CaseFiles] = []
    inside: list[FoundImage] = []
    for path in inputs:
        try:
            if own.is_image(path):
                files.setdefault(_file_ending(path, own), []).append(path)
            elif listed := listed_cases(path, own).to_predict if path.is_dir() else ():
                cases += listed
            elif images := _images_inside(path, own, chosen):
                inside += images
            elif path.is_dir():
                cases += _cases_in(path, ending, own)
            else:
                files.setdefault(_file_ending(path, own), []).append(path)
        except (InvalidFile, Problems) as error:
            failures += error.lines
    cases += [*cases_of(inside, own), *_cases_of_files(files, own)]
    failures += [] if failures else chosen.missing(inside)
    names = [case.name for case in cases]
    failures += [
        f"{name}: two inputs have this name; predict them in two calls" for name in names if names.count(name) > 1
    ]
    if failures:
        raise Problems(tuple(dict.fromkeys(failures)))
    return tuple(sorted(cases, key=lambda case: case.name))


def _images_inside(path: Path, readers: Readers, choice: ImageChoice) -> tuple[FoundImage, ...]:
    """Return the images of a folder or archive; none of a folder with plain images, unless ids are chosen."""
    if path.is_dir() and not choice.ids:
        endings = {image_ending(file, readers) for file in path.iterdir()} - {None}
        if any(image_cases(path, ending, readers) for ending in endings if ending is not None):
            return ()
    return choice.images_in(path, readers)


def _file_ending(path: Path, readers: Readers) -> str:
    """Return the ending of an image file as it stands there.

    Raises:
        InvalidFile: the file does not exist or is no image.
    """
    ending = image_ending(path, readers)
    if ending is not None and readers.is_image(path):
        return ending
    if not path.exists():
        raise InvalidFile(f"{path}: no such file or folder; give a folder of images, or image files")
    raise InvalidFile(f"{path}: no image that nnplug reads; it {readers.known_endings}", Action.INSTALL_READER())


def _cases_of_files(files: Mapping[str, list[Path]], readers: Readers) -> Iterator[CaseFiles]:
    """Yield the cases of files, which are given by their endings."""
    for ending, paths in files.items():
        yield from group_channels(paths, ending, readers)
        whole = [path for path in paths if channel_number(path, ending) is None]
        yield from (CaseFiles(path.name.removesuffix(ending), (path,), readers=readers) for path in whole)


def _cases_in(folder: Path, ending: str, readers: Readers) -> tuple[CaseFiles, ...]:
    """Return the cases of a folder, of the file ending of the model or else of the only other one there.

    Raises:
        InvalidFile: the folder has no images, or images of several other formats.
    """
    there = {own.lower() for file in folder.iterdir() if (own := image_ending(file, readers)) is not None}
    order = {known: place for place, known in enumerate(readers.endings)}
    endings = (ending, *sorted(there - {ending.lower()}, key=order.__getitem__))
    found = {own: cases for own in endings if (cases := image_cases(folder, own, readers))}
    if not found:
        if inside := [name for name in ("imagesTs", "imagesTr") if (folder / name).is_dir()]:
            raise InvalidFile(f"{folder}: is a dataset, not a folder of images; give its folder {' or '.join(inside)}")
        raise InvalidFile(f"{folder}: holds no images called CASE_0000{ending}; rename them, or give the files")
    if ending not in found and len(found) > 1:
        raise InvalidFile(
            f"{folder}: holds no images {ending}, but images {' and '.join(found)}; give the files of one"
        )
    return found.get(ending) or next(iter(found.values()))


def check_channel_numbers(case: CaseFiles) -> None:
    """Raise if the channel numbers of files CASE_XXXX have a gap: a later channel would replace a missing one.

    Files that a `dataset.json` lists have other names, and are channels in the listed order.

    Raises:
        InvalidFile: they have a gap; the message names the missing file.
    """
    ending = image_ending(case.images[0], case.readers) or ""
    numbers = [channel_number(file, ending) for file in case.images]
    named = all(file.name.startswith(f"{case.name}_") for file in case.images) and None not in numbers
    if case.readers.folder_reader(case.images[0]) is None and named and numbers != list(range(len(numbers))):
        absent = next(i for i in range(len(numbers) + 1) if i not in numbers)
        raise InvalidFile(f"{case.images[0].parent}: {case.name}_{absent:04d}{ending} is missing; add the channel")


def check_image(image: Image, channel_names: Sequence[str]) -> None:
    """Raise unless the model can take an image.

    Raises:
        NnplugError: the number of channels differs, or a voxel is NaN or infinite.
    """
    check_channels(image, channel_names)
    for name, channel in zip(channel_names, image.array, strict=True):
        if problem := nonfinite_voxels(channel):
            raise NnplugError(f"channel {name!r}: {problem}.")


def image_ending(path: Path, readers: Readers) -> str | None:
    """Return the ending of an image's name as it stands there, such as ".nii.gz"; None for other files."""
    name = path.name.lower()
    found = max((ending for ending in readers.endings if name.endswith(ending)), key=len, default=None)
    return None if found is None else path.name[-len(found) :]


def not_taken(inputs: Sequence[Path], cases: Sequence[CaseFiles], readers: Readers | None = None) -> tuple[str, ...]:
    """Return a line for each folder with images that belong to no case, for a warning."""
    own = readers_or_core(readers)
    taken = {file for case in cases for file in case.images}
    lines = []
    for folder in inputs:
        files = sorted(folder.iterdir()) if folder.is_dir() else []
        left = [file.name for file in files if _is_image(file, own) and file not in taken]
        if left:
            more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
            endings = " or ".join(sorted({(image_ending(case.images[0], own) or "").lower() for case in cases}))
            lines.append(
                f"{folder}: {', '.join(left[:_NAMED])}{more} are not predicted; images are called CASE_0000{endings}"
            )
    return tuple(lines)


def _is_image(file: Path, readers: Readers) -> bool:
    return not file.name.startswith(".") and readers.is_image(file)
