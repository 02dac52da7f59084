"""Write label maps whole or not at all, and lose no file of the user.

The log of written files is that of nnplug (`.nnplug-outputs.jsonl`), so that both may write into one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from nnplug_runtime.faults import Fault, Faults

LOG = ".nnplug-outputs.jsonl"
_ASK = "give another output (-o), or allow it with --replace"


def claim(files: Iterable[Path], inputs: Iterable[Path], *, replace: bool) -> None:
    """Check that files may be written, then create their folders and logs.

    Args:
        files: the files that will be written.
        inputs: the files that are read.
        replace: whether to replace files that nnplug did not write, or that have changed since.

    Raises:
        Faults: a line per file that would be lost; nothing is written.
    """
    read, wanted = {os.path.realpath(path): path for path in inputs}, list(files)
    lines = []
    for path in wanted:
        if (source := read.get(os.path.realpath(path))) is not None:
            lines.append(f"{path}: is the same file as {source}, which is read here and would be replaced; {_ASK}")
        elif path.is_dir():
            lines.append(f"{path}: is a folder, but a file is to be written here; give another output (-o)")
        elif path.exists() and not replace and not _is_ours(path):
            lines.append(f"{path}: is there, and nnplug did not write it; {_ASK}")
    if lines:
        raise Faults(lines)
    for folder in dict.fromkeys(path.parent for path in wanted):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / LOG).touch()
        except OSError as error:
            raise Fault(f"{folder}: cannot be written ({error.strerror or error}); give another output (-o)") from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which replaces `path` when the block ends without an error.

    Raises:
        Fault: the disk is full or the folder cannot be written; the temporary file is removed.
    """
    temporary = path.with_name(f".{token_hex(4)}-{path.name}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        _note(path, temporary)
        temporary.replace(path)
    except OSError as error:
        raise Fault(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _note(path: Path, content: Path) -> None:
    """Append a line for `path`, which `content` is about to replace."""
    stat = content.stat()
    entry = {"name": path.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": _sha256(content)}
    with path.with_name(LOG).open("ab") as log:
        log.write(json.dumps(entry).encode() + b"\n")


def _is_ours(path: Path) -> bool:
    """Return whether a file is a version that the log has, equal in size and content."""
    size = path.stat().st_size
    return any(one.get("size") == size and one.get("sha256") == _sha256(path) for one in _versions(path))


def _versions(path: Path) -> Iterator[Mapping[str, Any]]:
    log = path.with_name(LOG)
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else ():
        try:
            entry = json.loads(line)
        except ValueError:  # a line that a kill cut short
            continue
        if isinstance(entry, dict) and entry.get("name") == path.name:
            yield entry


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
