"""The readers equal nnU-Net's six on the same images: arrays, spacings, and where a label map is written."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug import Plugins
from nnplug.errors import InvalidFile
from nnplug.io.images import read_geometry, read_image, read_label, read_voxels, write_label
from nnplug.io.readers import Readers

tifffile = pytest.importorskip("tifffile", reason="this environment was made before nnplug-readers: run make setup")
nibabel = pytest.importorskip("nibabel", reason="this environment was made before nnplug-readers: run make setup")

GOLDEN = json.loads((Path(__file__).parent / "golden" / "readers.json").read_text())
ORACLE = Path(__file__).parents[3] / "bench" / "oracle" / "readers.py"
READERS = Readers.of(Plugins().registry)


@pytest.fixture(scope="module")
def oracle() -> dict:
    return runpy.run_path(str(ORACLE))


@pytest.fixture(scope="module")
def images(oracle, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    oracle["write_images"](folder)
    return folder


def test_all_six_readers_equal_nnunets(oracle, images):
    found = oracle["ours"](images)
    assert set(GOLDEN) == set(oracle["FILES"]) == set(found)
    for reader, files in GOLDEN.items():
        for file, figures in files.items():
            assert found[reader][file] == figures, f"{reader} {file}"


@pytest.mark.parametrize(
    ("name", "ending", "reader"),
    [
        ("SimpleITKIO", ".nii.gz", "simpleitk"),
        ("SimpleITKIOWithReorient", ".nrrd", "simpleitk-reoriented"),
        ("NibabelIO", ".nii.gz", "nibabel"),
        ("NibabelIOWithReorient", ".nii", "nibabel-reoriented"),
        ("NaturalImage2DIO", ".png", "simpleitk"),
        ("Tiff3DIO", ".tif", "tifffile-sidecar"),
        ("nibabel-reoriented", ".nii.gz", "nibabel-reoriented"),
        (None, ".nii.gz", "simpleitk"),
        (None, ".tif", "simpleitk"),
    ],
)
def test_names_in_dataset_json_choose_the_reader(name, ending, reader):
    assert READERS.for_dataset(name, ending, "dataset.json").entry(Path(f"a{ending}")).name == reader


def test_a_reader_that_reads_other_formats_is_refused():
    with pytest.raises(InvalidFile, match=r"the reader is 'NibabelIO', but no installed reader of '\.mha' files"):
        READERS.for_dataset("NibabelIO", ".mha", "dataset.json")


@pytest.mark.parametrize("name", ["nibabel-reoriented", "simpleitk-reoriented"])
def test_images_of_all_orientations_are_read_alike_and_label_maps_lie_where_their_images_do(name, tmp_path):
    """The voxel with the largest value is where its patient has it, however the file is stored."""
    readers = READERS.only(name)
    voxels = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    first = sitk.GetImageFromArray(voxels)
    first.SetSpacing((0.5, 1.0, 2.0))
    arrays = []
    for orientation in ("LPS", "RAS", "AIR", "SPL"):
        path, label_path = tmp_path / f"{orientation}.nii.gz", tmp_path / f"{orientation}_label.nii.gz"
        sitk.WriteImage(sitk.DICOMOrient(first, orientation), str(path))
        image = read_image([path], readers)
        arrays.append(image.array)
        assert image.geometry.shape == (4, 5, 6)
        assert image.geometry.spacing == pytest.approx((2.0, 1.0, 0.5))
        write_label(label_path, (image.array[0] > 1).astype(np.uint8), image.geometry, readers)
        stored, label = sitk.ReadImage(str(path)), sitk.ReadImage(str(label_path))
        assert np.array_equal(sitk.GetArrayFromImage(stored) > 1, sitk.GetArrayFromImage(label) > 0)
        assert label.GetDirection() == pytest.approx(stored.GetDirection(), abs=1e-6)
        assert label.GetOrigin() == pytest.approx(stored.GetOrigin(), abs=1e-5)
        assert read_geometry(label_path, readers) == read_label(label_path, readers).geometry
    assert all(np.array_equal(array, arrays[0]) for array in arrays)


@pytest.mark.parametrize("name", ["nibabel", "nibabel-reoriented", "simpleitk-reoriented"])
@pytest.mark.parametrize("shape", [(5, 6), (2, 4, 5, 6)])
def test_what_is_not_3d_is_refused_or_read_as_channels(name, shape, tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros(shape, np.float32), isVector=False), str(tmp_path / "a.nii.gz"))
    if name == "simpleitk-reoriented" and len(shape) == 4:
        assert read_voxels(tmp_path / "a.nii.gz", READERS.only(name))[0].shape == shape
        return
    with pytest.raises(InvalidFile, match=r"a\.nii\.gz: .*'simpleitk'"):
        read_voxels(tmp_path / "a.nii.gz", READERS.only(name))


def test_2d_label_maps_are_refused_by_name(images, tmp_path):
    flat = read_geometry(images / "flat.nii.gz")
    for name, ending in (("nibabel", ".nii.gz"), ("simpleitk-reoriented", ".nii.gz"), ("tifffile", ".tif")):
        with pytest.raises(InvalidFile, match=rf"a\{ending}: .*the reader 'simpleitk'"):
            write_label(tmp_path / f"a{ending}", np.zeros(flat.shape, int), flat, READERS.only(name))
    assert list(tmp_path.iterdir()) == []


def test_a_label_map_in_the_place_of_an_image_of_another_reader(images, tmp_path):
    """As `--reader` may differ between the image and its label map: nibabel makes the affine from the geometry."""
    for name in ("sagittal", "lps", "ras"):
        image = read_image([images / f"{name}.nii.gz"])
        label = (image.array[0] > 0).astype(np.uint8)
        write_label(tmp_path / f"{name}.nii.gz", label, image.geometry, READERS.only("nibabel"))
        again = read_label(tmp_path / f"{name}.nii.gz")
        assert np.array_equal(again.array, label)
        assert again.geometry.origin == pytest.approx(image.geometry.origin, abs=1e-5)
        assert again.geometry.direction == pytest.approx(image.geometry.direction, abs=1e-6)
        assert again.geometry.spacing == pytest.approx(image.geometry.spacing)


def spacing(path: Path, name: str = "tifffile") -> tuple[float, float, float]:
    return read_geometry(path, READERS.only(name)).spacing


def test_tags_of_imagej_give_the_spacing_where_no_file_beside_does(images):
    assert spacing(images / "imagej_0000.tif") == pytest.approx((3.0, 1.5, 0.7))
    assert spacing(images / "imagej_0000.tif", "tifffile-sidecar") == (1.0, 1.0, 1.0)
    assert spacing(images / "alone_0000.tif") == (1.0, 1.0, 1.0)
    assert spacing(images / "volume_0000.tif") == (3.0, 1.5, 0.7)


def test_tags_of_ome_give_the_spacing(tmp_path):
    sizes = {"PhysicalSizeZ": 2.0, "PhysicalSizeZUnit": "mm", "PhysicalSizeY": 500.0, "PhysicalSizeX": 250.0}
    tifffile.imwrite(tmp_path / "a.ome.tif", np.zeros((4, 5, 6), np.uint8), ome=True, metadata={"axes": "ZYX", **sizes})
    assert spacing(tmp_path / "a.ome.tif") == pytest.approx((2.0, 0.5, 0.25))


def test_tags_without_a_length_unit_are_not_taken_for_millimetres(tmp_path):
    metadata = {"spacing": 3.0, "unit": "pixel", "axes": "ZYX"}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 6), np.uint8), imagej=True, metadata=metadata)
    assert spacing(tmp_path / "a.tif") == (1.0, 1.0, 1.0)


def test_a_flat_tif_is_refused_by_the_reader_of_stacks(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 6), np.uint8))
    with pytest.raises(InvalidFile, match=r"a\.tif: has shape \(5, 6\); tifffile's reader takes 3D stacks"):
        read_voxels(tmp_path / "a.tif", READERS.only("tifffile"))


def test_a_scaled_nifti_is_read_in_its_units(tmp_path):
    image = nibabel.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "a.nii")
    array = read_image([tmp_path / "a.nii"], READERS.only("nibabel")).array
    assert np.array_equal(array, read_image([tmp_path / "a.nii"]).array)
    assert array.max() == 21.5


def sheared_image(path):
    affine = np.diag([0.8, 1.0, 3.0, 1.0])
    affine[0, 1], affine[:3, 3] = 0.1, (3, -4, 5)
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), affine)
    image.set_sform(affine, 1)
    image.header["qform_code"] = 0
    nibabel.save(image, path)
    return affine


def test_nibabels_readers_tell_shear_and_keep_it(tmp_path):
    affine = sheared_image(tmp_path / "a.nii.gz")
    for name in ("nibabel", "nibabel-reoriented"):
        geometry = read_geometry(tmp_path / "a.nii.gz", READERS.only(name))
        cosines = np.reshape(geometry.direction, (3, 3))
        assert np.allclose(cosines @ cosines.T, np.eye(3))
        assert "not at right angles (5.7 degrees off)" in geometry.remarks[0]
        write_label(tmp_path / "b.nii.gz", np.zeros(geometry.shape, np.uint8), geometry, READERS.only(name))
        assert np.allclose(nibabel.load(tmp_path / "b.nii.gz").affine, affine)


def test_a_header_without_directions_is_read_as_it_is_or_refused(tmp_path):
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.diag([1, 1, 3, 1]))
    header = image.header.copy()
    header["sform_code"], header["qform_code"], header["magic"], header["vox_offset"] = 2, 0, b"n+1", 352
    for row in ("srow_x", "srow_y", "srow_z"):
        header[row] = 0
    (tmp_path / "a.nii").write_bytes(header.binaryblock + b"\0" * 4 + np.asanyarray(image.dataobj).tobytes(order="F"))
    geometry = read_geometry(tmp_path / "a.nii", READERS.only("nibabel"))
    assert geometry.spacing == (3, 1, 1)
    assert "no directions" in geometry.remarks[0]
    write_label(tmp_path / "b.nii", np.zeros(geometry.shape, np.uint8), geometry, READERS.only("nibabel"))
    assert read_label(tmp_path / "b.nii").array.shape == (5, 4, 3)
    with pytest.raises(InvalidFile, match=r"a\.nii: .*no directions to turn it by; choose the reader 'nibabel'"):
        read_geometry(tmp_path / "a.nii", READERS.only("nibabel-reoriented"))
