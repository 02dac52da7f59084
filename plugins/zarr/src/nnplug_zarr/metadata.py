"""The metadata of OME-Zarr (NGFF 0.1 to 0.5): levels, axes and the transform to mm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnplug.errors import InvalidFile

MILLIMETRES: Mapping[str, float] = {
    "angstrom": 1e-7,
    "centimeter": 10.0,
    "decimeter": 100.0,
    "foot": 304.8,
    "inch": 25.4,
    "meter": 1000.0,
    "micrometer": 1e-3,
    "millimeter": 1.0,
    "nanometer": 1e-6,
    "picometer": 1e-9,
    "yard": 914.4,
}
"""Unit of an axis -> mm."""

OLD_AXES = ("t", "c", "z", "y", "x")
"""The axes of images of NGFF 0.1 and 0.2, which name none."""

SPACE = ("z", "y", "x")


@dataclass(frozen=True)
class Level:
    """A level of an image, with the transform from voxels to mm.

    Attributes:
        path: the path of its array in the group of the image.
        axes: the names of the axes of the array, such as ("c", "z", "y", "x").
        scale: the distance of voxels along each axis, in mm along z, y and x.
        translation: the place of the first voxel along each axis, in mm along z, y and x.
        remarks: facts that a user should know.
    """

    path: str
    axes: tuple[str, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    remarks: tuple[str, ...] = ()


def level_of(attributes: Mapping[str, Any], where: Path, name: str = "") -> Level:
    """Return a level of an image.

    Args:
        attributes: the attributes of the group of the image.
        where: the group, for messages.
        name: the path of the array in the group; empty for the finest level.

    Raises:
        InvalidFile: the group is no OME-Zarr image, or its metadata are wrong.
    """
    image = _multiscales(attributes, where)
    levels = image.get("datasets")
    if not isinstance(levels, list) or not all(isinstance(one, dict) and "path" in one for one in levels) or not levels:
        raise InvalidFile(f"{where}: 'datasets' of 'multiscales' is {levels!r}; expected levels with a path")
    paths = [str(one["path"]) for one in levels]
    if name and name not in paths:
        raise InvalidFile(f"{where}: has no level {name!r}; there are {', '.join(paths)}")
    level = levels[paths.index(name)] if name else levels[0]
    axes, units = _axes(image.get("axes", OLD_AXES), where)
    first = _transform(level.get("coordinateTransformations", []), axes, where)
    second = _transform(image.get("coordinateTransformations", []), axes, where)
    scale = tuple(s1 * s2 * u for s1, s2, u in zip(first[0], second[0], units.factors, strict=True))
    parts = zip(first[1], second[0], second[1], units.factors, strict=True)
    translation = tuple((t1 * s2 + t2) * u for t1, s2, t2, u in parts)
    return Level(str(level["path"]), axes, scale, translation, units.remarks)


def _multiscales(attributes: Mapping[str, Any], where: Path) -> Mapping[str, Any]:
    """Return the first image that a group describes."""
    own = attributes.get("ome", attributes)
    if isinstance(own, Mapping):
        if "plate" in own or "well" in own:
            raise InvalidFile(
                f"{where}: is a plate or well of OME-Zarr; give the folder of one image in it, such as A/1/0"
            )
        if "bioformats2raw.layout" in own and "multiscales" not in own:
            raise InvalidFile(f"{where}: is a collection of images; give the folder of one image in it, such as 0")
        images = own.get("multiscales")
        if isinstance(images, list) and images and isinstance(images[0], dict):
            return images[0]
    raise InvalidFile(f"{where}: is no OME-Zarr image; its attributes have no 'multiscales'")


@dataclass(frozen=True)
class _Units:
    factors: tuple[float, ...]
    remarks: tuple[str, ...]


def _axes(raw: Any, where: Path) -> tuple[tuple[str, ...], _Units]:
    """Return the names of the axes, and mm per unit of each; 1 for axes that are none of space."""
    entries = [{"name": one} if isinstance(one, str) else one for one in raw] if isinstance(raw, (list, tuple)) else []
    if not entries or not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in entries):
        raise InvalidFile(f"{where}: 'axes' is {raw!r}; expected names such as t, c, z, y and x")
    names = tuple(one["name"].lower() for one in entries)
    if not {"y", "x"} <= set(names) or len(set(names)) < len(names):
        raise InvalidFile(f"{where}: has the axes {', '.join(names)}; expected y and x, each name once")
    bare = [name for name, one in zip(names, entries, strict=True) if name in SPACE and not one.get("unit")]
    remarks = (f"the axes {', '.join(bare)} have no unit; their spacing is taken as mm",) if bare else ()
    factors = tuple(_factor(name, one.get("unit"), where) for name, one in zip(names, entries, strict=True))
    return names, _Units(factors, remarks)


def _factor(name: str, unit: Any, where: Path) -> float:
    if name not in SPACE or not unit:
        return 1.0
    if unit not in MILLIMETRES:
        raise InvalidFile(f"{where}: axis {name!r} has the unit {unit!r}; expected one of {', '.join(MILLIMETRES)}")
    return MILLIMETRES[unit]


def _transform(raw: Any, axes: Sequence[str], where: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return scale and translation of transforms that are applied one after the other."""
    scale, translation = np.ones(len(axes)), np.zeros(len(axes))
    for kind, values in _steps(raw, axes, where):
        if kind == "scale":
            scale, translation = scale * values, translation * values
        else:
            translation = translation + values
    return tuple(scale.tolist()), tuple(translation.tolist())


def _steps(raw: Any, axes: Sequence[str], where: Path) -> Iterator[tuple[str, Any]]:
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise InvalidFile(f"{where}: 'coordinateTransformations' is {raw!r}; expected a list of transforms")
    for one in raw:
        kind = one.get("type")
        if kind == "identity":
            continue
        values = one.get(kind) if kind in ("scale", "translation") else None
        numbers = isinstance(values, list) and all(type(v) in (int, float) and np.isfinite(v) for v in values)
        if not numbers or values is None or len(values) != len(axes) or (kind == "scale" and min(values) <= 0):
            raise InvalidFile(
                f"{where}: has the transform {one!r}; expected a scale above 0 or a translation of {len(axes)} numbers"
            )
        yield kind, np.asarray(values, np.float64)
