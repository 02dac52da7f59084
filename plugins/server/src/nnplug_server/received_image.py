"""The files of a request as one image: a file, a zip file, a file per channel, or the slices of a series."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnplug.errors import InvalidFile
from nnplug.remedies import Action
from nnplug_server.form_parser import SentFile

_CHANNEL = re.compile(r".*_([0-9]{4})")
_DICOM = b"DICM"
"""The bytes of a DICOM file after its preamble of 128 bytes."""

Ending = Callable[[str], str | None]
"""Returns the ending of a file's name, such as ".nii.gz", if a reader reads such files; else None."""


@dataclass(frozen=True)
class ReceivedImage:
    """An image on disk.

    Attributes:
        path: the file, or a folder with a file per channel or slice.
        names: file on disk -> its name in messages.
    """

    path: Path
    names: Mapping[Path, str]

    def shown(self, line: str) -> str:
        """Return a message in which files have the names that the client gave them, without folders of the server."""
        for path, name in self.names.items():
            line = line.replace(str(path), name)
        return line.replace(f"{self.path.parent}/", "").replace(str(self.path.parent), "the request")


def arrange(files: Sequence[SentFile], folder: Path, ending: Ending) -> ReceivedImage:
    """Move the files of one image to `folder`, under names of our own, and return the image.

    Of several files, those with an ending of images are the channels of one image: in the order of their numbers if
    all are called NAME_0000, NAME_0001 .., else in the order in which they were sent. Others are the slices of a
    DICOM series.

    Args:
        files: at least one file.
        folder: an existing folder.
        ending: returns the ending of images and archives.

    Raises:
        InvalidFile: a file is no image.
    """
    endings = [_ending(file, ending) for file in files]
    if len(files) == 1:
        return _moved({folder / f"image{endings[0]}": files[0]}, folder / f"image{endings[0]}")
    if archive := next((file for file, own in zip(files, endings, strict=True) if own == ".zip"), None):
        raise InvalidFile(f"{archive.name}: is one of {len(files)} files; send a zip file alone")
    inside = folder / "image"
    inside.mkdir()
    if ".dcm" in endings:
        return _moved({inside / f"{n:06d}.dcm": file for n, file in enumerate(files)}, inside)
    ordered = sorted(zip(_numbers(files, endings), files, endings, strict=True), key=lambda one: one[0])
    return _moved({inside / f"image_{n:04d}{own}": file for n, (_, file, own) in enumerate(ordered)}, inside)


def _ending(file: SentFile, ending: Ending) -> str:
    if (own := ending(file.name)) is not None:
        return own
    with file.path.open("rb") as opened:
        if opened.read(132)[128:] == _DICOM:
            return ".dcm"
    raise InvalidFile(
        f"{file.name}: is no image by its name; send a file whose name ends as that of an image, such as .nii.gz, "
        ".nrrd, .mha or .png, or the zip file of a DICOM series",
        Action.INSTALL_READER(),
    )


def _numbers(files: Sequence[SentFile], endings: Sequence[str]) -> list[int]:
    """Return the channel numbers of files, or their order if a name has none."""
    stems = [file.name[: len(file.name) - len(own)] for file, own in zip(files, endings, strict=True)]
    matches = [_CHANNEL.fullmatch(stem) for stem in stems]
    if not all(matches):
        return list(range(len(files)))
    numbers = [int(match[1]) for match in matches if match]
    for wanted in range(len(files)):
        if numbers.count(wanted) != 1:
            raise InvalidFile(
                f"{files[0].name}: {len(files)} files have the channel numbers {sorted(numbers)}; "
                f"expected 0000 to {len(files) - 1:04d}, each once"
            )
    return numbers


def _moved(files: Mapping[Path, SentFile], image: Path) -> ReceivedImage:
    for path, file in files.items():
        file.path.rename(path)
    return ReceivedImage(image, {path: file.name for path, file in files.items()})
