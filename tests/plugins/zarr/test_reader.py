"""OME-Zarr images: axes by name, units, transforms, levels and mistakes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.file_names import image_files
from nnplug.dataset.sidecars import copy_label, state_files
from nnplug.errors import InvalidFile, InvalidPlugin
from nnplug.inference.inputs import find_cases
from nnplug.inference.outputs.recorded_files import recorded_image
from nnplug.io.geometry import Geometry
from nnplug.io.images import read_geometry, read_image, read_label, read_voxels, write_image, write_label
from nnplug.registry.reader_entry import ReaderComponent

RANDOM = np.random.default_rng(0)
PLACE = Geometry((5, 6, 7), (3.0, 2.0, 0.5), (0.5, 2.0, 3.0), (5.0, -6.0, 7.0), tuple(np.eye(3).ravel().tolist()))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["czyx", "zyx", "tczyx", "zyxc", "xyz", "yx", "cyx"])
def test_axes_are_taken_by_their_names(make_zarr, multiscale, readers, tmp_path, axes, version):
    extents = {"t": 1, "c": 3, "z": 4, "y": 9, "x": 10}
    lengths = {"t": 1.0, "c": 1.0, "z": 3.0, "y": 2.0, "x": 0.5}
    array = RANDOM.integers(0, 99, [extents[axis] for axis in axes]).astype(np.int16)
    scale = [lengths[axis] for axis in axes]
    places = [{"z": 7.0, "y": 8.0, "x": 9.0}.get(axis, 0.0) for axis in axes]
    path = make_zarr(tmp_path / "a.ome.zarr", array, multiscale(axes, scale, places), version)
    voxels, geometry = read_voxels(path, readers)
    channels, planes = 3 if "c" in axes else 1, 4 if "z" in axes else 1
    assert voxels.shape == (channels, planes, 9, 10)
    wanted = np.moveaxis(array, [axes.index(a) for a in "tczyx" if a in axes], range(len(axes)))
    assert np.array_equal(voxels, wanted.reshape(voxels.shape))
    assert read_geometry(path, readers) == geometry
    if "z" in axes:
        assert geometry.spacing == (3.0, 2.0, 0.5)
        assert (geometry.file_spacing, geometry.origin) == ((0.5, 2.0, 3.0), (9.0, 8.0, 7.0))
    else:
        assert (geometry.spacing, geometry.dimensions) == ((999 * 2.0, 2.0, 0.5), 2)
        assert geometry.origin == (9.0, 8.0)


@pytest.mark.parametrize(("unit", "factor"), [("micrometer", 1e-3), ("nanometer", 1e-6), ("meter", 1e3), (None, 1)])
def test_lengths_are_in_millimetres(make_zarr, multiscale, readers, tmp_path, unit, factor):
    raw = multiscale("zyx", [2.0, 1.0, 4.0], [3.0, 0.0, 0.0], unit)
    image = read_image([make_zarr(tmp_path / "a.zarr", np.zeros((2, 3, 4), np.uint8), raw)], readers)
    assert image.geometry.spacing == pytest.approx((2 * factor, factor, 4 * factor))
    assert image.geometry.origin == pytest.approx((0.0, 0.0, 3 * factor))
    assert [("have no unit" in line) for line in image.geometry.remarks] == ([] if unit else [True])


def test_transforms_of_the_level_come_before_those_of_the_image(make_zarr, multiscale, readers, tmp_path):
    whole = [{"type": "scale", "scale": [2, 2, 2]}, {"type": "translation", "translation": [1, 1, 1]}]
    raw = multiscale("zyx", [3, 1, 1], [5, 0, 0], coordinateTransformations=[*whole, {"type": "identity"}])
    geometry = read_geometry(make_zarr(tmp_path / "a.zarr", np.zeros((2, 3, 4), np.uint8), raw), readers)
    assert (geometry.spacing, geometry.origin) == ((6.0, 2.0, 2.0), (1.0, 1.0, 11.0))


def test_images_of_ngff_before_0_3_have_five_axes(make_zarr, readers, tmp_path):
    raw = {"multiscales": [{"version": "0.2", "datasets": [{"path": "0"}]}]}
    voxels, _ = read_voxels(make_zarr(tmp_path / "a.zarr", np.ones((1, 2, 3, 4, 5)), raw, "0.4"), readers)
    assert voxels.shape == (2, 3, 4, 5)
    raw["multiscales"][0]["axes"] = ["t", "z", "c", "y", "x"]
    voxels, _ = read_voxels(make_zarr(tmp_path / "b.zarr", np.ones((1, 2, 3, 4, 5)), raw, "0.4"), readers)
    assert voxels.shape == (3, 2, 4, 5)


def test_a_link_to_a_level_is_that_level(make_zarr, multiscale, readers, tmp_path):
    import zarr

    raw = multiscale("zyx", [1, 1, 1])
    coarse = {"path": "deep/1", "coordinateTransformations": [{"type": "scale", "scale": [2, 2, 2]}]}
    raw["multiscales"][0]["datasets"].append(coarse)
    image = make_zarr(tmp_path / "a.ome.zarr", np.zeros((8, 8, 8), np.uint8), raw)
    zarr.open_group(str(image)).create_array("deep/1", data=np.ones((4, 4, 4), np.uint8))
    (tmp_path / "b_0000.zarr").symlink_to(image / "deep" / "1")
    voxels, geometry = read_voxels(tmp_path / "b_0000.zarr", readers)
    assert (voxels.shape, voxels.max(), geometry.spacing) == ((1, 4, 4, 4), 1, (2.0, 2.0, 2.0))
    files = {file.name for file in readers.sidecars(image).read_with(tmp_path / "b_0000.zarr")}
    assert files == {"zarr.json", "0"}
    zarr.create_array(str(tmp_path / "bare.zarr"), data=np.zeros((2, 2, 2)))
    with pytest.raises(InvalidFile, match=r"bare\.zarr: is an array outside of an OME-Zarr image"):
        read_voxels(tmp_path / "bare.zarr", readers)
    zarr.open_group(str(image)).create_array("other", data=np.zeros((2, 2, 2)))
    (tmp_path / "c.zarr").symlink_to(image / "other")
    with pytest.raises(InvalidFile, match=r"c\.zarr: has no level 'other'; there are 0, deep/1"):
        read_voxels(tmp_path / "c.zarr", readers)


LEVEL = {"path": "0"}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "its attributes have no 'multiscales'"),
        ({"plate": {}}, "is a plate or well of OME-Zarr; give the folder of one image in it"),
        ({"bioformats2raw.layout": 3}, "is a collection of images; give the folder of one image in it, such as 0"),
        ({"multiscales": [{"datasets": []}]}, r"'datasets' of 'multiscales' is \[\]"),
        ({"multiscales": [{"axes": ["z", "y"], "datasets": [LEVEL]}]}, "has the axes z, y; expected y and x"),
        ({"multiscales": [{"axes": 3, "datasets": [LEVEL]}]}, "'axes' is 3; expected names"),
        (
            {"multiscales": [{"axes": [*"zyx"], "datasets": [{"path": "9"}]}]},
            "cannot be read as OME-Zarr .*copy it again",
        ),
        ({"multiscales": [{"axes": [*"yx"], "datasets": [LEVEL]}]}, "level '0' is no array with the axes y, x"),
        ({"multiscales": [{"axes": [*"tyx"], "datasets": [LEVEL]}]}, "axis 't' has 2 entries"),
        (
            {"multiscales": [{"axes": [*"zyx"], "datasets": [LEVEL], "coordinateTransformations": 1}]},
            "'coordinateTransformations' is 1; expected a list",
        ),
        (
            {
                "multiscales": [
                    {"axes": [*"zyx"], "datasets": [{**LEVEL, "coordinateTransformations": [{"type": "affine"}]}]}
                ]
            },
            "has the transform {'type': 'affine'}; expected a scale above 0 or a translation of 3 numbers",
        ),
        (
            {"multiscales": [{"axes": [{"name": "z", "unit": "parsec"}, *"yx"], "datasets": [LEVEL]}]},
            "axis 'z' has the unit 'parsec'; expected one of angstrom",
        ),
    ],
)
def test_mistakes_are_a_line_that_names_the_folder(make_zarr, readers, tmp_path, raw, message):
    path = make_zarr(tmp_path / "a.zarr", np.zeros((2, 3, 4), np.uint8), raw)
    with pytest.raises(InvalidFile, match=rf"^{path}: .*{message}") as refused:
        read_voxels(path, readers)
    assert len(str(refused.value).splitlines()) == 1


def test_files_and_missing_folders_are_refused(readers, tmp_path):
    (tmp_path / "a.zarr").write_text("packed")
    with pytest.raises(InvalidFile, match=r"a\.zarr: is a file; OME-Zarr images are folders"):
        read_voxels(tmp_path / "a.zarr", readers)
    with pytest.raises(InvalidFile, match=r"b\.zarr: no such folder"):
        read_geometry(tmp_path / "b.zarr", readers)
    (tmp_path / "c.zarr").mkdir()
    with pytest.raises(InvalidFile, match=r"c\.zarr: cannot be read as OME-Zarr"):
        read_geometry(tmp_path / "c.zarr", readers)


def test_a_damaged_chunk_is_named(make_zarr, multiscale, readers, tmp_path):
    image = make_zarr(tmp_path / "a.zarr", RANDOM.integers(0, 99, (8, 8, 8)), multiscale("zyx", [1, 1, 1]))
    chunk = next(file for file in (image / "0").rglob("*") if file.is_file() and file.name != "zarr.json")
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(InvalidFile, match=r"a\.zarr: cannot be read as OME-Zarr .*leave its case out"):
        read_voxels(image, readers)


@pytest.mark.parametrize("direction", [tuple(np.eye(3).ravel().tolist()), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0)])
def test_what_is_written_lies_where_its_image_lies(readers, tmp_path, direction):
    place = Geometry(PLACE.shape, PLACE.spacing, PLACE.file_spacing, PLACE.origin, direction)
    image = RANDOM.normal(size=place.shape).astype(np.float32)
    write_image(tmp_path / "a.zarr", image, place, readers)
    voxels, geometry = read_voxels(tmp_path / "a.zarr", readers)
    assert np.array_equal(voxels[0], image)
    assert geometry == place


def test_a_label_map_has_the_version_of_its_image(make_zarr, multiscale, readers, tmp_path):
    image = make_zarr(tmp_path / "a.zarr", np.zeros((2, 3, 4), np.uint8), multiscale("zyx", [3, 2, 1]), "0.4")
    write_label(tmp_path / "l.zarr", np.arange(24).reshape(2, 3, 4), read_geometry(image, readers), readers)
    assert "image-label" in json.loads((tmp_path / "l.zarr" / ".zattrs").read_text())
    assert np.array_equal(read_label(tmp_path / "l.zarr", readers).array.ravel(), np.arange(24))
    copy_label(tmp_path / "l.zarr", tmp_path / "copy.zarr", readers)
    assert np.array_equal(read_label(tmp_path / "copy.zarr", readers).array.ravel(), np.arange(24))


def test_folders_are_found_as_images_are(make_zarr, multiscale, readers, tmp_path):
    for name in ("a_0000", "a_0001", "b_0000"):
        make_zarr(tmp_path / f"{name}.ome.zarr", np.ones((2, 3, 4), np.uint8), multiscale("zyx", [3, 2, 1]))
    (tmp_path / "notes").mkdir()
    (tmp_path / "c_0000.ome.zarr").write_text("a file")
    assert [file.name for file in image_files(tmp_path, readers)] == [
        "a_0000.ome.zarr",
        "a_0001.ome.zarr",
        "b_0000.ome.zarr",
    ]
    (tmp_path / "c_0000.ome.zarr").unlink()
    cases = find_cases([tmp_path], ".nii.gz", readers)
    assert [(case.name, len(case.images)) for case in cases] == [("a", 2), ("b", 1)]
    (alone,) = find_cases([tmp_path / "b_0000.ome.zarr"], ".nii.gz", readers)
    assert alone == CaseFiles("b", (tmp_path / "b_0000.ome.zarr",))
    assert recorded_image(alone.images[0], readers)["files"] == 3


def test_a_changed_chunk_makes_results_outdated(make_zarr, multiscale, readers, tmp_path):
    image = make_zarr(tmp_path / "a.zarr", np.ones((2, 3, 4), np.uint8), multiscale("zyx", [3, 2, 1]))
    files = state_files([image], readers)
    assert {file.relative_to(image).as_posix() for file in files[1:]} == {"zarr.json", "0/zarr.json", "0/c/0/0/0"}
    shutil.rmtree(image)
    assert state_files([image], readers) == (image,)


def test_images_that_are_folders_name_their_files():
    with pytest.raises(InvalidPlugin, match="says stores_folders; expected endings and has_sidecars=True"):
        ReaderComponent("x", "a.b:C", "", endings=(".x",), stores_folders=True)
