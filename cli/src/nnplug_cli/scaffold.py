"""A package for a new plugin, copied from the template in this distribution."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from nnplug.errors import NnplugError

STAND_IN = "acme"
"""The plugin's name in the template: `nnplug-acme`, `nnplug_acme`, `acme-unet`."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write_plugin(name: str, folder: Path) -> None:
    """Write an installable package `nnplug-NAME`.

    Args:
        name: name of the plugin; lower-case words joined by hyphens.
        folder: the new folder.

    Raises:
        NnplugError: the name cannot be used, or the folder exists or cannot be written; no partial folder is left.
    """
    from nnplug.runtime.files import atomic_folder

    check_plugin_name(name)
    if folder.exists():
        raise NnplugError(f"{folder}: exists already; give another folder with -o")
    with atomic_folder(folder) as new:
        for place, text in template():
            file = new / fill(str(place), name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(fill(text, name), encoding="utf-8")


def check_plugin_name(name: str) -> None:
    """Raise unless the name can be typed, imported and installed.

    Raises:
        NnplugError: the message gives a name that fits, or asks for another.
    """
    if not _NAME.fullmatch(name) or name.startswith("nnplug-"):
        words = re.findall(r"[a-z0-9]+", name.lower())
        suits = "-".join(words).removeprefix("nnplug-").lstrip("0123456789-") or "my-lab"
        raise NnplugError(
            f"plugin name {name!r} is not lower-case words joined by hyphens, without 'nnplug-'; {suits!r} is"
        )
    try:
        installed = distribution(f"nnplug-{name}")
    except PackageNotFoundError:
        return
    raise NnplugError(f"{installed.name} {installed.version} is installed already; choose another name than {name!r}")


def template() -> Iterator[tuple[PurePosixPath, str]]:
    """Yield the template's files: path inside the template, and text."""
    yield from _files(files("nnplug_cli") / "template", PurePosixPath())


def fill(text: str, name: str) -> str:
    """Replace the stand-in by a plugin's name; modules have underscores for hyphens."""
    module = f"nnplug_{name.replace('-', '_')}"
    return text.replace(f"nnplug_{STAND_IN}", module).replace(STAND_IN, name)


def _files(folder: Traversable, place: PurePosixPath) -> Iterator[tuple[PurePosixPath, str]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir() and item.name != "__pycache__" and not item.name.startswith("."):
            yield from _files(item, place / item.name)
        elif item.is_file():
            yield place / item.name, item.read_text(encoding="utf-8")
