"""The files of a bundle: nothing in it can run or lead out of it, and every byte is accounted for."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from nnplug.errors import InvalidFile, NnplugError
from nnplug.runtime.files import atomic_file, atomic_folder

INDEX = "bundle.json"
SUFFIXES = (".json", ".safetensors")


def hashes(folder: Path) -> dict[str, str]:
    """Relative name, with "/", -> SHA-256 of every file in a folder, sorted."""
    return {file.relative_to(folder).as_posix(): sha256(file) for file in _files(folder)}


def sha256(file: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def problems(folder: Path, listed: Mapping[str, str]) -> Iterator[str]:
    """A line for each file that is missing, changed, a link, or not in `listed` (name -> SHA-256).

    What file managers leave hidden (".DS_Store") may stay: only listed files are ever read.
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


def check_name(name: str, where: Path) -> None:
    """Refuse a name that leads out of the bundle, or a kind of file that a bundle does not have.

    Raises:
        InvalidFile: as said; the message names `where` it was found.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise InvalidFile(f"{where}: holds {name!r}, which leads out of the bundle; do not trust it")
    if not name.endswith(SUFFIXES):
        raise InvalidFile(f"{where}: holds {name!r}; a bundle has {' and '.join(SUFFIXES)} files only")


def zip_folder(folder: Path, archive: Path) -> None:
    """Write a zip; stored, as weights hardly shrink, and with fixed times, so that equal models give equal files."""
    with zipfile.ZipFile(archive, "w") as zipped:
        for file in _files(folder):
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix())
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            with file.open("rb") as source, zipped.open(member, "w", force_zip64=True) as sink:
                shutil.copyfileobj(source, sink, 1 << 20)


def unzip(archive: Path, folder: Path) -> None:
    """Take the files out of a zip, none executable; verifying them is `problems`' affair.

    Raises:
        InvalidFile: it is no zip, is damaged, or holds a link or a name that `check_name` refuses.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            members = [member for member in zipped.infolist() if not member.is_dir()]
            for member in members:
                _check_member(member, archive)
            zipped.extractall(folder, members)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise InvalidFile(f"{archive}: not a readable bundle ({error}); get it again") from error


def _check_member(member: zipfile.ZipInfo, archive: Path) -> None:
    if stat.S_ISLNK(member.external_attr >> 16):
        raise InvalidFile(f"{archive}: holds the link {member.filename!r}; a bundle has plain files only")
    check_name(member.filename, archive)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def write_packed(target: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a folder that becomes `target`, or the zip of that name; raises as `check_free` does."""
    if target.suffix == ".zip":
        with atomic_file(target) as archive, tempfile.TemporaryDirectory(dir=target.parent) as folder:
            write(Path(folder))
            zip_folder(Path(folder), archive)
    else:
        check_free(target)
        with atomic_folder(target) as folder_:
            write(folder_)


@contextmanager
def unpacked_folder(path: Path) -> Iterator[Path]:
    """The folder of a bundle, unpacked for the time of the block where `path` is a zip; raises as `unzip` does."""
    if not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="nnplug-") as folder:
        unzip(path, Path(folder))
        yield Path(folder)


def check_free(target: Path) -> None:
    """Refuse to replace anything but a bundle: a slip of the finger must not cost a folder of data."""
    taken = target.is_file() or (target.is_dir() and any(target.iterdir()))
    if taken and not (target / INDEX).is_file():
        raise NnplugError(f"{target}: is there and is no bundle; choose another place or remove it")
