"""The component `ome-zarr` of kind reader: images that are folders of chunks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nnplug.arrays import LabelArray
from nnplug.contracts import ImageWriter, SidecarReader
from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.geometry import Geometry, planar_spacing
from nnplug.runtime.files import atomic_folder
from nnplug.runtime.json_files import read_json
from nnplug_zarr.metadata import SPACE, Level, level_of

if TYPE_CHECKING:
    from nnplug_zarr.contents import Version, Volume

_METADATA = ("zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata")
_VERSION = "ngff_version"
"""The key in `Geometry.extra` of the version that a label map of the image is written in."""


class _Opened(NamedTuple):
    """A level of an image: its array of zarr, its metadata, the attributes of its group and its version."""

    array: Any
    level: Level
    attributes: Mapping[str, Any]
    version: Version


class OmeZarrReader(SidecarReader, ImageWriter):
    """A reader of OME-Zarr images: folders that end in .zarr, with the metadata of NGFF 0.1 to 0.5.

    The finest level is read. A link to the folder of another level, such as `CASE_0000.zarr -> image.ome.zarr/2`, is
    read as that level. The axis c has the channels; an axis t and any other has to have one entry.
    """

    def read(self, path: Path) -> tuple[npt.NDArray[Any], Geometry]:
        """See `Reader.read`."""
        opened = _open(path)
        axes = opened.level.axes
        kept = [axis for axis in ("c", *SPACE) if axis in axes]
        place = tuple(slice(None) if axis in kept else 0 for axis in axes)
        geometry = _geometry(path, opened)
        try:
            stored = np.asarray(opened.array[place])
        except Exception as error:  # codecs raise errors of their own
            raise _damage(path, error) from error
        ordered = np.transpose(stored, [[axis for axis in axes if axis in kept].index(axis) for axis in kept])
        return ordered.reshape(-1, *geometry.shape), geometry

    def read_geometry(self, path: Path) -> Geometry:
        """See `Reader.read_geometry`; no chunk is read."""
        return _geometry(path, _open(path))

    def write_label(self, path: Path, array: LabelArray, geometry: Geometry) -> None:
        """Write an image with the metadata of a label map, in the version of its image or else in 0.5."""
        from nnplug_zarr.contents import Volume

        _write(path, Volume(array, geometry, {}))

    def write_image(self, path: Path, array: npt.NDArray[Any], geometry: Geometry) -> None:
        """See `ImageWriter.write_image`."""
        from nnplug_zarr.contents import Volume

        _write(path, Volume(array, geometry))

    def read_with(self, path: Path) -> tuple[Path, ...]:
        """Return the files of the level that is read, and those with the metadata of its group."""
        if not path.is_dir():
            return ()
        group, name = _group(path)
        try:
            level = group / (name or _open(path).level.path)
        except NnplugError:
            level = group
        chunks = [file for file in level.rglob("*") if file.is_file()]
        return tuple(sorted({*chunks, *(file for key in _METADATA if (file := group / key).is_file())}))

    def written_with(self, path: Path) -> tuple[Path, ...]:  # noqa: ARG002
        """Return no file: all are in the folder."""
        return ()

    def write_sidecars(self, path: Path, geometry: Geometry) -> None:
        """Write nothing: the metadata are in the folder."""


def _write(path: Path, volume: Volume) -> None:
    from nnplug_zarr.contents import image_files

    with atomic_folder(path) as temporary:
        for name, content in image_files(volume, volume.geometry.extra.get(_VERSION, "0.5")).items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(content)


def _group(path: Path) -> tuple[Path, str]:
    """Return the group of an image, and the path of the level in it if `path` is, or links to, a level."""
    real = path.resolve()
    if not _is_array(real):
        return real, ""
    for group in list(real.parents)[:3]:
        attributes = _json(group / "zarr.json").get("attributes", {}) or _json(group / ".zattrs")
        if "multiscales" in attributes.get("ome", attributes):
            return group, real.relative_to(group).as_posix()
    raise InvalidFile(f"{path}: is an array outside of an OME-Zarr image, so its spacing is not known")


def _is_array(folder: Path) -> bool:
    return (folder / ".zarray").is_file() or _json(folder / "zarr.json").get("node_type") == "array"


def _json(file: Path) -> dict[str, Any]:
    """Return the object in a file of metadata; an empty one if there is none, since zarr names what is wrong."""
    try:
        content = read_json(file) if file.is_file() else {}
    except InvalidFile:
        return {}
    return content if isinstance(content, dict) else {}


def _open(path: Path) -> _Opened:
    """Return the level to read.

    Raises:
        InvalidFile: the folder is no OME-Zarr image, or damaged.
    """
    if path.is_file():
        raise InvalidFile(f"{path}: is a file; OME-Zarr images are folders. Unpack it")
    if not path.exists():
        raise InvalidFile(f"{path}: no such folder")
    import zarr

    group, name = _group(path)
    try:
        opened = zarr.open_group(group, mode="r")
        attributes = dict(opened.attrs)
        level = level_of(attributes, path, name)
        array = opened[level.path]
    except NnplugError:
        raise
    except Exception as error:  # zarr raises errors of json, codecs and its own
        raise _damage(path, error) from error
    if not isinstance(array, zarr.Array) or array.ndim != len(level.axes):
        raise InvalidFile(f"{path}: level {level.path!r} is no array with the axes {', '.join(level.axes)}")
    return _Opened(array, level, attributes, "0.4" if opened.metadata.zarr_format == 2 else "0.5")


def _damage(path: Path, error: Exception) -> InvalidFile:
    cause = " ".join(str(error).split()) or type(error).__name__
    return InvalidFile(f"{path}: cannot be read as OME-Zarr ({cause}); copy it again or leave its case out.")


def _geometry(path: Path, opened: _Opened) -> Geometry:
    from nnplug_zarr.contents import DIRECTION

    level, sizes = opened.level, dict(zip(opened.level.axes, opened.array.shape, strict=True))
    for axis, size in sizes.items():
        if axis not in ("c", *SPACE) and size != 1:
            raise InvalidFile(f"{path}: axis {axis!r} has {size} entries; write each to an image of its own")
    space = [axis for axis in SPACE if axis in sizes]
    scale, translation = (dict(zip(level.axes, values, strict=True)) for values in (level.scale, level.translation))
    lengths = tuple(scale[axis] for axis in space)
    direction = opened.attributes.get(DIRECTION, np.eye(len(space)).ravel().tolist())
    return Geometry(
        shape=(sizes.get("z", 1), sizes["y"], sizes["x"]),
        spacing=planar_spacing(lengths[0], lengths[1]) if len(space) == 2 else (lengths[0], lengths[1], lengths[2]),
        file_spacing=lengths[::-1],
        origin=tuple(translation[axis] for axis in space[::-1]),
        direction=tuple(float(cosine) for cosine in direction),
        extra={_VERSION: opened.version},
        remarks=level.remarks,
    )
