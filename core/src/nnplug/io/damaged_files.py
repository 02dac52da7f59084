"""Errors of image libraries as the error that a file is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnplug.errors import InvalidFile
from nnplug.remedies import Action


@contextmanager
def damage_named(
    path: Path,
    errors: tuple[type[Exception], ...],
    what: str = "cannot be read as an image ({cause}); convert it or leave its case out.",
) -> Iterator[None]:
    """Turn what a library raises for damaged files into `InvalidFile`; errors of the disk pass as they are.

    Args:
        path: the file that the block reads.
        errors: the errors of the library. An `OSError` without a number is one of them too.
        what: the message after the path; "{cause}" in it becomes the library's own message.

    Raises:
        InvalidFile: the block raised one of the errors.
    """
    caught: tuple[type[Exception], ...] = (*errors, OSError)
    try:
        yield
    except caught as error:
        if isinstance(error, OSError) and error.errno is not None and not isinstance(error, errors):
            raise
        cause = " ".join(str(error).split()) or type(error).__name__
        raise InvalidFile(f"{path}: {what.format(cause=cause)}", Action.VERIFY()) from error
