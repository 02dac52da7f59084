"""The files of a case, and how their names tell case and channel: CASE_0000.nii.gz."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nnplug.io.readers import Readers, core_readers, readers_or_core


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case: one image per channel, or one image with all channels; and the label map, if any.

    Attributes:
        name: the name of the case.
        images: the images.
        label: the label map, or None.
        readers: the readers of these files.
    """

    name: str
    images: tuple[Path, ...]
    label: Path | None = None
    readers: Readers = field(default_factory=core_readers, compare=False, repr=False)


def image_cases(folder: Path, ending: str, readers: Readers | None = None) -> tuple[CaseFiles, ...]:
    """Return the cases of a folder with images CASE_0000, CASE_0001 ..; files with other names are left out."""
    return group_channels(files_of(folder, ending), ending, readers)


def group_channels(files: Iterable[Path], ending: str, readers: Readers | None = None) -> tuple[CaseFiles, ...]:
    """Return files named CASE_XXXX grouped into cases, sorted by name, with channels in order.

    Of two files that differ in the case of their ending, the one that is spelled as `ending` is taken.
    """
    own = readers_or_core(readers)
    channels: dict[str, dict[int, Path]] = {}
    for file in sorted(files, key=lambda file: file.name.endswith(ending)):
        name, number = case_name(file, ending), channel_number(file, ending)
        if name is not None and number is not None:
            channels.setdefault(name[: -len("_0000")], {})[number] = file
    return tuple(
        CaseFiles(name, tuple(found[c] for c in sorted(found)), readers=own) for name, found in sorted(channels.items())
    )


def channel_number(file: Path, ending: str) -> int | None:
    """Return the channel number of a file named CASE_XXXX, or None for other names."""
    match = re.fullmatch(r"[^.].*_([0-9]{4})", case_name(file, ending) or "")
    return int(match[1]) if match else None


def case_name(file: Path, ending: str) -> str | None:
    """Return the name of a file without its ending, in upper or lower case; None if it ends otherwise."""
    return file.name[: -len(ending)] if file.name.lower().endswith(ending.lower()) else None


def files_of(folder: Path, ending: str) -> list[Path]:
    """Return the files of a folder; those with exactly this ending are last."""
    return sorted(folder.iterdir(), key=lambda file: file.name.endswith(ending)) if folder.is_dir() else []
