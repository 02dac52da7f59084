"""The DICOM files of a folder or a zip file. Nothing is unpacked by the names in a zip file."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath, PureWindowsPath

from nnplug.errors import InvalidFile

MAGIC = b"DICM"
"""The bytes of a DICOM file after its preamble of 128 bytes."""

LARGEST = 64 << 30
"""The largest size of an unpacked zip file, in bytes."""
MOST_FILES = 200_000
HIGHEST_RATIO, UNSUSPICIOUS = 1100, 1 << 30
"""The compression that deflate can reach at most is 1032. Zip files of at most `UNSUSPICIOUS` bytes may have any."""


@contextmanager
def dicom_files(folder: Path) -> Iterator[Mapping[Path, str]]:
    """Yield path -> name in messages of each DICOM file in a folder or zip file, or of the one file given.

    A zip file is unpacked into a temporary folder while the block runs.

    Raises:
        InvalidFile: the zip file is damaged, encrypted or not safe to unpack.
    """
    if folder.is_dir():
        files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
        yield {path: str(path) for path in files if _is_dicom(path)}
    elif folder.name.lower().endswith(".zip"):
        with tempfile.TemporaryDirectory(prefix="nnplug-dicom-") as place:
            yield _unpacked(folder, Path(place))
    else:
        yield {folder: str(folder)} if folder.is_file() and _is_dicom(folder) else {}


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == MAGIC


def _unpacked(archive: Path, place: Path) -> dict[Path, str]:
    """Return path -> name of the DICOM files of a zip file; they are called by their number."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            # is_dir() of Python 3.11 fails for an empty name
            members = [member for member in zipped.infolist() if not member.filename.endswith("/")]
            _check(members, archive, place)
            found = {}
            for number, member in enumerate(sorted(members, key=lambda one: one.filename)):
                path = place / f"{number:06d}"
                with zipped.open(member) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                if _is_dicom(path):
                    found[path] = f"{archive}: {member.filename}"
            return found
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error) as error:
        raise InvalidFile(f"{archive}: not a readable zip file ({error}); copy it again") from error


def _check(members: list[zipfile.ZipInfo], archive: Path, place: Path) -> None:
    for member in members:
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InvalidFile(f"{archive}: holds the link {member.filename!r}; give an archive of plain files")
        if _leaves(member.filename):
            raise InvalidFile(f"{archive}: holds {member.filename!r}, a path out of the archive; it is not opened")
    size, packed = sum(one.file_size for one in members), sum(one.compress_size for one in members)
    if len(members) > MOST_FILES:
        raise InvalidFile(f"{archive}: holds {len(members)} files, more than {MOST_FILES}; give one series")
    free = min(LARGEST, shutil.disk_usage(place).free)
    if size > free or (size > UNSUSPICIOUS and size > HIGHEST_RATIO * max(packed, 1)):
        raise InvalidFile(
            f"{archive}: unpacks from {archive.stat().st_size} to {size} bytes, and {free} are allowed; unpack it "
            "yourself and give the folder if you trust it"
        )


def _leaves(name: str) -> bool:
    """Return whether the name of a member is absolute or leads out of the folder, on any system."""
    paths = (PurePosixPath(name), PureWindowsPath(name))
    return any(path.is_absolute() or path.drive or path.root or ".." in path.parts for path in paths)
