"""The files of images and label maps in OME-Zarr, made in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import zarr
from zarr.storage import MemoryStore

from nnplug.io.geometry import Geometry

Version = Literal["0.4", "0.5"]
CHUNK = 64
"""The edge of chunks in voxels. In NGFF 0.5 all chunks of a level are in one file, its shard."""

DIRECTION = "nnplug_direction"
"""The attribute for direction cosines, which OME-Zarr has no place for; it is left out if they are the identity."""


@dataclass(frozen=True)
class Volume:
    """Voxels with their place.

    Attributes:
        array: (z, y, x); z is 1 for 2D images.
        geometry: their geometry.
        names: label value -> name for a label map, None for an image.
    """

    array: npt.NDArray[Any]
    geometry: Geometry
    names: Mapping[int, str] | None = None


def image_files(volume: Volume, version: Version) -> dict[str, bytes]:
    """Return path -> content of the files of an image, or of a label map that is an image of its own."""
    store = MemoryStore()
    _write(zarr.create_group(store, zarr_format=_format(version)), volume, version, source=None)
    return _bytes(store)


def label_files(volume: Volume, name: str, version: Version) -> dict[str, bytes]:
    """Return path -> content of the files of a label map in `labels/NAME` of a group."""
    store = MemoryStore()
    root = zarr.create_group(store, zarr_format=_format(version))
    labels = root.create_group("labels")
    labels.attrs.update({"ome": {"version": version, "labels": [name]}} if version == "0.5" else {"labels": [name]})
    _write(labels.create_group(name), volume, version, source="../../")
    return _bytes(store)


def label_paths(name: str, version: Version, dimensions: int) -> tuple[str, ...]:
    """Return the paths that `label_files` gives for a label map of 2 or 3 spatial axes."""
    place, chunk = f"labels/{name}", "/".join("0" * dimensions)
    if version == "0.4":
        groups = [f"{group}{file}" for group in ("", "labels/", f"{place}/") for file in (".zgroup", ".zattrs")]
        return *groups, f"{place}/0/.zarray", f"{place}/0/.zattrs", f"{place}/0/{chunk}"
    return (*(f"{group}zarr.json" for group in ("", "labels/", f"{place}/", f"{place}/0/")), f"{place}/0/c/{chunk}")


def _format(version: Version) -> Literal[2, 3]:
    return 2 if version == "0.4" else 3


def _write(group: Any, volume: Volume, version: Version, source: str | None) -> None:
    """Write voxels and metadata into a group of an image."""
    flat = volume.geometry.dimensions == 2
    stored = volume.array[0] if flat else volume.array
    axes = ("y", "x") if flat else ("z", "y", "x")
    common = {"shape": stored.shape, "dtype": stored.dtype, "config": {"write_empty_chunks": True}}
    if version == "0.4":
        encoding = {"name": "v2", "separator": "/"}
        array = group.create_array("0", chunks=stored.shape, chunk_key_encoding=encoding, **common)
    else:
        shard = tuple(-(-extent // CHUNK) * CHUNK for extent in stored.shape)
        chunks = (CHUNK,) * stored.ndim
        array = group.create_array("0", chunks=chunks, shards=shard, dimension_names=axes, **common)
    array[...] = np.ascontiguousarray(stored)
    described: dict[str, Any] = {"multiscales": [_multiscale(volume.geometry, axes, version)]}
    if volume.names is not None:
        described["image-label"] = _image_label(volume.names, version, source)
    own = {"ome": {"version": version, **described}} if version == "0.5" else described
    direction = np.eye(volume.geometry.dimensions).ravel().tolist()
    turned = {} if list(volume.geometry.direction) == direction else {DIRECTION: list(volume.geometry.direction)}
    group.attrs.update({**own, **turned})


def _multiscale(geometry: Geometry, axes: tuple[str, ...], version: Version) -> dict[str, Any]:
    scale = [float(length) for length in geometry.file_spacing[::-1]]
    origin = [float(place) for place in geometry.origin[::-1]]
    transforms = [{"type": "scale", "scale": scale}, {"type": "translation", "translation": origin}]
    return {
        **({"version": version} if version == "0.4" else {}),
        "name": "0",
        "axes": [{"name": axis, "type": "space", "unit": "millimeter"} for axis in axes],
        "datasets": [{"path": "0", "coordinateTransformations": transforms}],
    }


def _image_label(names: Mapping[int, str], version: Version, source: str | None) -> dict[str, Any]:
    """Return the key image-label; an empty mapping of names, of a reader's label map, gives no properties."""
    properties = [{"label-value": value, "name": name} for value, name in names.items()]
    return {
        **({"version": version} if version == "0.4" else {}),
        **({"properties": properties} if properties else {}),
        **({"source": {"image": source}} if source else {}),
    }


def _bytes(store: MemoryStore) -> dict[str, bytes]:
    return {key: buffer.to_bytes() for key, buffer in store._store_dict.items()}  # noqa: SLF001
