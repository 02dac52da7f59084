"""Voxels read without ITK are ITK's, and what is not plain is left to it."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from nnplug.io.default_reader import simpleitk
from nnplug.io.default_reader.nifti import read_plain, scan
from nnplug.io.images import read_voxels

TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")


def write(path, array, *, vector=False):
    image = SimpleITK.GetImageFromArray(array, isVector=vector)
    image.SetSpacing([0.5 + axis for axis in range(image.GetDimension())])
    SimpleITK.WriteImage(image, str(path))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 5), (2, 3, 4, 5)])
def test_voxels_and_geometry_are_itks(shape, dtype, ending, tmp_path, monkeypatch):
    path = tmp_path / f"a{ending}"
    write(path, np.random.default_rng(0).uniform(0, 100, shape).astype(dtype))
    ours, geometry = read_voxels(path)
    assert read_plain(path).shape == shape
    monkeypatch.setattr(simpleitk, "read_plain", lambda _: None)
    theirs, theirs_geometry = read_voxels(path)
    assert ours.dtype == theirs.dtype
    assert np.array_equal(ours, theirs)
    assert geometry == theirs_geometry


def edited(path, *, order="<", **fields):
    """Change fields of a NIfTI-1 header."""
    places = {"slope": ("f", 112), "inter": ("f", 116), "kind": ("h", 70)}
    data = bytearray(path.read_bytes())
    for name, value in fields.items():
        form, offset = places[name]
        struct.pack_into(order + form, data, offset, value)
    path.write_bytes(data)


@pytest.mark.parametrize(
    "fields", [{"slope": 2.0}, {"slope": 1.0, "inter": 3.0}, {"kind": 1024}, {"slope": 0, "inter": 1}]
)
def test_scaled_values_and_rare_types_are_left_to_itk(fields, tmp_path):
    write(tmp_path / "a.nii", np.ones((3, 4, 5), np.int16))
    edited(tmp_path / "a.nii", **fields)
    assert read_plain(tmp_path / "a.nii") is None


def test_scaled_values_are_scaled(tmp_path):
    write(tmp_path / "a.nii", np.full((3, 4, 5), 7, np.int16))
    edited(tmp_path / "a.nii", slope=2.0, inter=1.0)
    assert np.all(read_voxels(tmp_path / "a.nii")[0] == 15)


def test_other_formats_vectors_and_damaged_files_are_left_to_itk(tmp_path):
    array = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    write(tmp_path / "a.nrrd", array)
    write(tmp_path / "v.nii", np.stack([array, array], -1), vector=True)
    write(tmp_path / "t.nii", array)
    (tmp_path / "t.nii").write_bytes((tmp_path / "t.nii").read_bytes()[:-4])
    (tmp_path / "b.nii.gz").write_bytes(b"no gzip at all")
    (tmp_path / "e.nii").write_bytes(b"")
    for name in ("a.nrrd", "v.nii", "t.nii", "b.nii.gz", "e.nii"):
        assert read_plain(tmp_path / name) is None
    assert read_voxels(tmp_path / "v.nii")[0].shape == (2, 3, 4, 5)


def test_bytes_in_the_other_order(tmp_path):
    write(tmp_path / "a.nii", np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    data = (tmp_path / "a.nii").read_bytes()
    head = bytearray(352)
    for form, offset, count in (
        ("i", 0, 1),
        ("h", 40, 8),
        ("h", 68, 4),
        ("f", 76, 8),
        ("f", 108, 3),
        ("h", 252, 2),
        ("f", 256, 18),
    ):
        struct.pack_into(f">{count}{form}", head, offset, *struct.unpack_from(f"<{count}{form}", data, offset))
    head[123:124], head[344:348] = data[123:124], data[344:348]
    voxels = np.frombuffer(data, "<i2", offset=352).astype(">i2").tobytes()
    (tmp_path / "b.nii").write_bytes(bytes(head) + voxels)
    plain = read_plain(tmp_path / "b.nii")
    assert plain.dtype == np.int16
    assert plain.dtype.isnative
    assert np.array_equal(plain, np.arange(60).reshape(3, 4, 5))
    by_itk = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / "b.nii")))
    assert np.array_equal(plain, by_itk)


@given(bad=st.integers(0, 59), value=st.sampled_from([np.nan, np.inf, -np.inf]), zipped=st.booleans())
def test_a_scan_finds_what_is_no_number(bad, value, zipped, tmp_path_factory):
    array = np.zeros((3, 4, 5), np.float64)
    array.flat[bad] = value
    folder = tmp_path_factory.mktemp("nifti")
    write(folder / "a.nii", array)
    path = folder / "a.nii"
    if zipped:
        path = folder / "a.nii.gz"
        path.write_bytes(gzip.compress((folder / "a.nii").read_bytes()))
    assert scan(path) == (True, 1)


def test_a_file_that_changed_is_scanned_again(tmp_path):
    path = tmp_path / "a.nii"
    write(path, np.zeros((3, 4, 5), np.float32))
    assert scan(path) == (True, 0)
    path.write_bytes(path.read_bytes()[:-4])
    assert scan(path) == (False, 0)


def test_real_files_are_itks(shared, monkeypatch):
    found = (
        sorted((shared / "data").glob("*/imagesTr/*.nii.gz"))[::40]
        + sorted((shared / "data").glob("*/labelsTr/*.nii.gz"))[::40]
    )
    plain = [read_voxels(path) for path in found]
    assert all(read_plain(path) is not None for path in found)
    monkeypatch.setattr(simpleitk, "read_plain", lambda _: None)
    for (array, geometry), path in zip(plain, found, strict=True):
        theirs, theirs_geometry = read_voxels(path)
        assert np.array_equal(array, theirs)
        assert geometry == theirs_geometry
