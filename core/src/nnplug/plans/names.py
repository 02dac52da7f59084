"""Names in plans that folders and files are called by."""

from __future__ import annotations

from collections.abc import Iterable

from nnplug.errors import InvalidFile

_FORBIDDEN = frozenset("/\\:")


def check_names(plans: str, configurations: Iterable[str], where: str) -> None:
    """Raise unless every name is that of a file in its folder: plans come with models from anywhere.

    Args:
        plans: the name of the plans.
        configurations: the names of their configurations.
        where: the file, in the message.

    Raises:
        InvalidFile: a name is empty, begins with a point, or has a slash, colon or character that is not printed.
    """
    for what, name in (("plans", plans), *(("configuration", name) for name in configurations)):
        if not name or name.startswith(".") or _FORBIDDEN.intersection(name) or not name.isprintable():
            raise InvalidFile(
                f"{where}: {what} {name!r}: no file can have this name. Use letters, digits, '-' and '_'."
            )
