"""Fill the templates of pages. All values are escaped; a page loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nnplug.runtime.files import atomic_file

_TABLES = "tables.js"
_VIEWER = ("niivue.umd.js", "viewer.js")


def render(template: str, values: Mapping[str, Any], *, has_viewer: bool) -> str:
    """Return the text of a page.

    Args:
        template: the file in `templates/`.
        values: the values that the template names.
        has_viewer: whether the page has the slice viewer, whose script takes 2.3 MB.
    """
    environment = Environment(
        loader=PackageLoader("nnplug_report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [Markup(_static(name)) for name in (*(_VIEWER if has_viewer else ()), _TABLES)]  # noqa: S704 - our own
    style = Markup(_static("page.css"))  # noqa: S704 - our own file
    given = {**values, "scripts": scripts, "style": style, "generator": generator()}
    return environment.get_template(template).render(given)


def generator() -> str:
    """Return the name and version of this distribution."""
    return f"nnplug-report {version('nnplug-report')}"


def write_page(path: Path, text: str) -> None:
    """Write a page whole or not at all.

    Raises:
        NnplugError: the disk is full or the folder cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _static(name: str) -> str:
    return files("nnplug_report").joinpath("static", name).read_text(encoding="utf-8")
