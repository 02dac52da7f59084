"""The files of a bundle: none can run or lead out of the bundle, and the hash of each is checked."""

from __future__ import annotations

import errno
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from nnplug.errors import InvalidFile, NnplugError, rename
from nnplug.remedies import Action
from nnplug.runtime.digests import sha256
from nnplug.runtime.files import atomic_file, atomic_folder
from nnplug.runtime.json_files import read_json
from nnplug.runtime.json_text import parse_json

INDEX = "bundle.json"
SUFFIXES = (".json", ".safetensors")


def hashes(folder: Path) -> dict[str, str]:
    """Return relative path, with "/" -> SHA-256 of every file in a folder, sorted."""
    return {file.relative_to(folder).as_posix(): sha256(file) for file in _files(folder)}


def problems(folder: Path, listed: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each file that is missing, changed, a link, or not in `listed` (name -> SHA-256).

    Hidden files of file managers (".DS_Store") are ignored, because only listed files are read.
    """
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_symlink():
            yield f"{file}: is a link; a bundle has plain files only"
        elif file.is_file() and name not in {INDEX, *listed} and not file.name.startswith("."):
            yield f"{file}: is not listed in {INDEX}; remove it or get the bundle again"
    for name, expected in listed.items():
        file = folder / name
        if not file.is_file():
            yield f"{file}: is missing; get the bundle again"
        elif not file.is_symlink() and (found := sha256(file)) != expected:
            yield f"{file}: has sha256 {found[:12]}.. instead of {expected[:12]}..; get the bundle again"


def check_file_name(name: str, where: Path) -> None:
    """Raise unless a name stays inside the bundle and has an ending that a bundle may have.

    Raises:
        InvalidFile: it does not; the message names `where` (the file that has the name).
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise InvalidFile(f"{where}: holds {name!r}, which leads out of the bundle; do not trust it")
    if not name.endswith(SUFFIXES):
        raise InvalidFile(f"{where}: holds {name!r}; a bundle has {' and '.join(SUFFIXES)} files only")


def zip_folder(folder: Path, archive: Path) -> None:
    """Write a zip file of a folder.

    Files are not compressed, because weights hardly shrink. Times are fixed, so that equal models give equal files.
    """
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in _files(folder):
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            with file.open("rb") as source, zipped.open(member, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def unzip(archive: Path, folder: Path) -> None:
    """Extract the files of a zip file, none executable. Their hashes are not checked here; see `problems`.

    Raises:
        InvalidFile: it is not a zip file, is damaged, or has a link or a name that `check_file_name` refuses.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            # is_dir() of Python 3.11 fails for an empty name, which check_file_name refuses
            members = [member for member in zipped.infolist() if not member.filename.endswith("/")]
            for member in members:
                _check_member(member, archive)
            _check_size(members, archive)
            zipped.extractall(folder, members)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError, zlib.error) as error:
        raise _unreadable(archive, error) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # of a place before the start of the file
            raise
        raise _unreadable(archive, error) from error


def _unreadable(archive: Path, error: Exception) -> InvalidFile:
    return InvalidFile(f"{archive}: not a readable bundle ({error}); get it again")


def _check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InvalidFile(f"{archive}: holds the link {member.filename!r}; a bundle has plain files only")
    check_file_name(member.filename, archive)


def _check_size(members: list[zipfile.ZipInfo], archive: Path) -> None:
    """Raise if a zip file unpacks to much more than weights and JSON do, which hardly shrink."""
    size, packed = sum(member.file_size for member in members), archive.stat().st_size
    if size > _LARGEST_RATIO * packed + _SMALL:
        raise InvalidFile(
            f"{archive}: has {packed / 1e6:.0f} MB and would unpack to {size / 1e6:.0f} MB, which no model does; do "
            "not trust it"
        )


_LARGEST_RATIO = 20
_SMALL = 100_000_000
"""Bytes that any bundle may unpack to."""


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def write_packed(target: Path, write: Callable[[Path], object], *, replace: bool = False) -> None:
    """Call `write` with a folder to fill, which becomes the folder or zip file `target`, atomically.

    Raises:
        NnplugError: as in `check_free`.
    """
    check_free(target, replace=replace)
    if target.suffix == ".zip":
        with atomic_file(target) as archive, tempfile.TemporaryDirectory(dir=target.parent) as folder:
            write(Path(folder))
            zip_folder(Path(folder), archive)
    else:
        with atomic_folder(target) as folder_:
            write(folder_)


@contextmanager
def unpacked_folder(path: Path) -> Iterator[Path]:
    """Yield the folder of a bundle; a zip file is unpacked while the block runs, and errors of the block name it.

    Raises:
        InvalidFile: as in `unzip`.
    """
    if not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="nnplug-") as folder:
        unzip(path, Path(folder))
        try:
            yield Path(folder)
        except NnplugError as error:
            rename(error, folder, str(path))
            raise


def check_free(target: Path, *, replace: bool = False) -> None:
    """Raise if writing to `target` would replace anything but a bundle: a typing error must not delete data.

    Args:
        target: a folder, or a file that ends in ".zip".
        replace: whether to replace also a zip file of something else, and a bundle with added or changed files. A
            folder of something else is never replaced.

    Raises:
        NnplugError: `target` must not be replaced, or is inside a bundle, which would be damaged.
    """
    refuse_inside_bundle(target.parent)
    if target.suffix == ".zip":
        _check_free_zip(target, replace=replace)
        return
    taken = target.is_file() or (target.is_dir() and any(target.iterdir()))
    listed = listed_hashes(target)
    if taken and listed is None:
        raise NnplugError(f"{target}: is there and is no bundle; choose another place or remove it")
    if listed is not None and not replace and (file := next(_added(target, listed), None)):
        raise NnplugError(
            f"{file}: is no file that nnplug wrote into the bundle {target}", Action.OTHER_OUTPUT_OR_REPLACE()
        )


def listed_hashes(folder: Path) -> Mapping[str, str] | None:
    """Return name -> SHA-256 of the files in a folder's `bundle.json`, or None if the folder is not a bundle."""
    try:
        data = read_json(folder / INDEX)
    except InvalidFile:
        return None
    listed = data.get("sha256") if isinstance(data, dict) else None
    return listed if isinstance(listed, dict) and "schema" in data else None


def refuse_inside_bundle(folder: Path) -> None:
    """Raise if a folder is in a bundle, because a bundle has only the files that it lists.

    Raises:
        NnplugError: the folder is a bundle or is inside one, also through links.
    """
    own = folder.resolve()
    for place in (own, *own.parents):
        if listed_hashes(place) is not None:
            where = "is a bundle" if place == own else f"lies in the bundle {place}"
            raise NnplugError(f"{folder}: {where}, which would be damaged", Action.OTHER_OUTPUT())


def _added(folder: Path, listed: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files of a bundle's folder that were added or changed; hidden files of file managers are left out."""
    for file in _files(folder):
        name = file.relative_to(folder).as_posix()
        if name != INDEX and not file.name.startswith(".") and (name not in listed or sha256(file) != listed[name]):
            yield file


def _check_free_zip(target: Path, *, replace: bool) -> None:
    if target.is_dir():
        raise NnplugError(f"{target}: is a folder", Action.OTHER_OUTPUT())
    if target.is_file() and not replace and not _is_bundle_zip(target):
        raise NnplugError(f"{target}: is there and is no bundle", Action.OTHER_OUTPUT_OR_REPLACE())


def _is_bundle_zip(archive: Path) -> bool:
    """Return whether a zip file has a bundle and nothing else."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            listed = parse_json(zipped.read(INDEX))["sha256"]
            return {*listed, INDEX} == set(zipped.namelist())
    except (OSError, zipfile.BadZipFile, KeyError, TypeError, ValueError):
        return False
