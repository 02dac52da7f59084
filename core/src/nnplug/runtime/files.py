"""Write files that are either whole or absent: under a temporary name in the same folder, synced, then renamed."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex

from nnplug.errors import NnplugError
from nnplug.runtime import output_log

_LEFTOVER = re.compile(r"\.[0-9a-f]{8}-(.+)")  # the names that `_beside` gives


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` when the block ends without an error; its name ends as `path` does.

    If the folder has a log (`nnplug.runtime.output_log`), the file is noted there.

    Raises:
        NnplugError: the disk is full or the folder cannot be written; the temporary file is removed.
    """
    temporary = _beside(path)
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            _sync(temporary)
            output_log.note(path, temporary)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def give_default_permissions(file: Path) -> None:
    """Give a file the permissions of new files in its folder: libraries that write safetensors make it private.

    The permissions are those of a file that is made for a moment, since the umask cannot be read without setting it.

    Raises:
        OSError: the folder cannot be written.
    """
    probe = _beside(file)
    handle = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        mode = stat.S_IMODE(os.fstat(handle).st_mode)
    finally:
        os.close(handle)
        probe.unlink()
    with suppress(PermissionError, NotImplementedError):  # file systems without permissions
        file.chmod(mode)


@contextmanager
def named_file(path: Path) -> Iterator[Path]:
    """Yield a path of the same name in a temporary folder; the file there replaces `path` at the end of the block.

    It serves for code that reads the name of its file, or may leave half of one.

    Raises:
        NnplugError: as in `atomic_file`; the temporary folder is removed, and an earlier file stays.
    """
    folder = _beside(path)
    try:
        with explained(path):
            folder.mkdir(parents=True)
            yield folder / path.name
            with atomic_file(path) as temporary:
                (folder / path.name).replace(temporary)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder to fill. It replaces `path` when the block ends without an error.

    An older folder is renamed before it is removed, so that a kill leaves all of it, nothing or the new one.

    Raises:
        NnplugError: the disk is full or the folder cannot be written; the temporary folder is removed.
    """
    temporary = _beside(path)
    try:
        with explained(path):
            temporary.mkdir(parents=True)
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync(file)
            _put_in_place(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, path: Path) -> None:
    """Rename a folder to `path`; an older folder there is restored if that fails, and else removed."""
    older = _set_aside(path) if path.exists() else None
    try:
        temporary.replace(path)
    except OSError:
        if older is not None:
            older.replace(path)
        raise
    _sync(path.parent)
    if older is not None:
        shutil.rmtree(older, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder if it exists. After a kill it is whole or absent: it is renamed first.

    Raises:
        NnplugError: it cannot be removed.
    """
    with explained(folder):
        if folder.exists():
            shutil.rmtree(_set_aside(folder))


def remove_leftovers(folder: Path, of: str = "") -> None:
    """Remove the temporary files and folders that killed processes left in a folder.

    Args:
        folder: the folder, in which no other process may write now.
        of: the name that they were to get; "" for any.
    """
    for path in folder.iterdir() if folder.is_dir() else ():
        if (found := _LEFTOVER.fullmatch(path.name)) and of in ("", found[1]):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink()


def _set_aside(folder: Path) -> Path:
    """Give a folder a temporary name; raise `OSError` for a file or a link."""
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "it is a link to a folder")
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    return folder.replace(_beside(folder))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn errors of the operating system while `path` is written into `NnplugError`s with a remedy."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        if (source := _source(error, path)) is not None:
            raise NnplugError(
                f"{source}: cannot be used ({reason}), so that {path} is not written. Check that it is there and that "
                "you may read it, then run the same command again."
            ) from error
        raise NnplugError(f"{path}: cannot be written ({reason}). {disk_remedy(error)}") from error


def _source(error: OSError, path: Path) -> Path | None:
    """Return the file of an error if it is another one than those that are written for `path`; else None."""
    if not isinstance(error.filename, str | os.PathLike):
        return None
    file = Path(error.filename)
    written = file in (path, *path.parents) or any(_is_for(one, path) for one in (file, *file.parents))
    return None if written else file


def _is_for(file: Path, path: Path) -> bool:
    """Return whether a file is `path` or has a temporary name for it."""
    found = _LEFTOVER.fullmatch(file.name)
    return file == path or (file.parent == path.parent and found is not None and found[1] == path.name)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def copy_file(source: Path, target: Path) -> None:
    """Copy a file and its time of change, atomically."""
    with atomic_file(target) as temporary:
        shutil.copy2(source, temporary)


def _beside(path: Path) -> Path:
    """Return a name with a random part: on a shared disk, hosts may have processes with equal ids."""
    return path.with_name(f".{token_hex(4)}-{path.name}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def disk_remedy(error: OSError) -> str:
    """Return a sentence that says what helps against an error of the operating system while a file is written."""
    if isinstance(error, (FileExistsError, NotADirectoryError)):
        return "A file is where a folder should be; move it or choose another place."
    if isinstance(error, PermissionError):
        return "Choose a place that you may write to."
    if error.errno == errno.EROFS:
        return "Choose a place that is not read-only, or make this one writable, then run the same command again."
    if error.errno == errno.EDQUOT:
        return "Free some of the space that your quota counts or choose another place, then run the same command again."
    if error.errno == errno.EIO:
        return "The disk fails: check it or choose another place, then run the same command again."
    return "Free some space or choose another place, then run the same command again."
