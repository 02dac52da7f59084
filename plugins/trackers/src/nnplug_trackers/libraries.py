"""Check that the library of a tracker is installed, without importing it."""

from __future__ import annotations

from importlib.util import find_spec

from nnplug.errors import NnplugError


def require_library(module: str, extra: str) -> None:
    """Raise unless a library is installed. The user gets the error before the training starts.

    Args:
        module: the module that is imported later.
        extra: the tracker, which is also the extra of this distribution that installs the library.

    Raises:
        NnplugError: it is not installed; the message has the command that installs it.
    """
    if find_spec(module) is None:
        raise NnplugError(
            f"tracker {extra!r} needs {module}, which is not installed. Run: pip install 'nnplug-trackers[{extra}]'"
        )
