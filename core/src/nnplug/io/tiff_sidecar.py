"""The spacing of a TIFF stack, which nnU-Net stores in a JSON file beside it."""

from __future__ import annotations

import re
from math import inf
from pathlib import Path
from typing import Any

from nnplug.errors import InvalidFile
from nnplug.runtime.json_files import read_json

Spacing = tuple[float, float, float]


def sidecar_spacing(path: Path) -> Spacing | None:
    """Return the spacing (z, y, x) in mm that CASE.json or CASE_0000.json has for CASE_0000.tif, or None without them.

    Raises:
        InvalidFile: the file has no three lengths.
    """
    sidecar = next((file for file in sidecars(path) if file.is_file()), None)
    if sidecar is None:
        return None
    raw = read_json(sidecar)
    spacing = raw.get("spacing") if isinstance(raw, dict) else None
    if not isinstance(spacing, list) or len(spacing) != 3 or not all(_is_length(s) for s in spacing):
        raise InvalidFile(f"{sidecar}: 'spacing' is {spacing!r}; expected three lengths in mm, (z, y, x)")
    return float(spacing[0]), float(spacing[1]), float(spacing[2])


def sidecars(path: Path) -> tuple[Path, Path]:
    """Return the files that may have the spacing of a TIFF file."""
    return path.with_suffix(".json"), path.with_name(re.sub(r"_\d{4}$", "", path.stem) + ".json")


def _is_length(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < inf
