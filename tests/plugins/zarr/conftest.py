"""OME-Zarr images made with zarr alone, so that every version and mistake of the metadata can be written."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from nnplug.io.readers import Readers
from nnplug.registry.loader import Plugins

# An environment that was made before nnplug-zarr lacks its library; there, `tests/contract` skips with a reason.
collect_ignore_glob = [] if find_spec("nnplug_zarr") and find_spec("zarr") else ["test_*.py"]


@pytest.fixture(scope="session")
def readers():
    return Readers.of(Plugins().registry)


@pytest.fixture
def make_zarr():
    """`make_zarr(PATH, ARRAY, ATTRIBUTES, version="0.4")` writes a group with the array "0" and these attributes."""
    import zarr

    def make(path, array, attributes, version="0.5"):
        group = zarr.create_group(str(path), zarr_format=2 if version == "0.4" else 3)
        chunks = tuple(min(extent, 8) for extent in array.shape)
        group.create_array("0", data=np.asarray(array), chunks=chunks)
        group.attrs.update(attributes if version == "0.4" else {"ome": {"version": version, **attributes}})
        return path

    return make


def multiscale(axes, scale, translation=None, unit="millimeter", **more):
    """Return the key multiscales of an image with one level."""
    entries = [{"name": axis, **({"unit": unit} if axis in "zyx" and unit else {})} for axis in axes]
    transforms = [{"type": "scale", "scale": scale}]
    transforms += [] if translation is None else [{"type": "translation", "translation": translation}]
    level = {"path": "0", "coordinateTransformations": transforms}
    return {"multiscales": [{"axes": entries, "datasets": [level], **more}]}


@pytest.fixture(name="multiscale", scope="session")
def give_multiscale():
    """`multiscale("czyx", [1, 3, 2, 1])`: see the function."""
    return multiscale
