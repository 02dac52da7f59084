"""Files that few programs write are read as nnU-Net 2.8.1 reads them, or refused with their cause."""

from __future__ import annotations

import gzip
import json
import runpy
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from nnplug.errors import InvalidFile
from nnplug.io.images import read_geometry, read_image, read_label, read_voxels, write_label

ORACLE = Path(__file__).parents[3] / "bench" / "oracle" / "unusual_images.py"
GOLDEN = json.loads((Path(__file__).parent / "golden" / "unusual_images.json").read_text())
READ = [name for name, figures in GOLDEN.items() if "shape" in figures]


@pytest.fixture(scope="module")
def oracle() -> dict:
    return runpy.run_path(str(ORACLE))


@pytest.fixture(scope="module")
def images(oracle, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    oracle["write_images"](folder)
    return folder


def test_everything_that_nnunet_reads_is_read_alike(oracle, images):
    found = oracle["ours"](images)
    assert len(READ) > 40
    assert {name: found[name] for name in READ} == {name: GOLDEN[name] for name in READ}


@pytest.mark.parametrize("name", READ)
def test_the_geometry_alone_is_that_of_the_image(name, images):
    assert read_geometry(images / name) == read_image([images / name]).geometry


def test_a_picture_is_read_as_what_it_is_not_as_its_name_says(images):
    array, _ = read_voxels(images / "png_0000.tif")
    assert np.array_equal(array[0, 0], np.asarray(Image.open(images / "png_0000.tif")))


@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_a_mask_with_a_palette_is_read_by_index(ending, tmp_path):
    labels = (np.arange(80).reshape(8, 10) % 3).astype(np.uint8)
    image = Image.fromarray(labels)
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 90, 0] + [0] * 759)
    image.save(tmp_path / f"mask.{ending}")
    assert np.array_equal(read_label(tmp_path / f"mask.{ending}").array[0], labels)


def test_a_mask_saved_as_gray_colours_is_accepted_with_a_remark(tmp_path):
    labels = (np.arange(80).reshape(8, 10) % 2).astype(np.uint8)
    Image.fromarray(np.dstack([labels] * 3)).save(tmp_path / "gray.png")
    Image.fromarray(np.dstack([labels, labels * 0, labels])).save(tmp_path / "colour.png")
    label = read_label(tmp_path / "gray.png")
    assert np.array_equal(label.array[0], labels)
    (remark,) = label.geometry.remarks
    assert remark.endswith("gray.png: has 3 channels, whose values are equal; the first is read as label map")
    with pytest.raises(InvalidFile, match=r"colour\.png: has 3 channels; a label map has one"):
        read_label(tmp_path / "colour.png")


def test_two_samples_per_pixel_are_two_channels(tmp_path):
    pixels = np.arange(60, dtype=np.uint8).reshape(5, 6, 2)
    tifffile.imwrite(tmp_path / "two.tif", pixels, photometric="minisblack", planarconfig="contig")
    array, geometry = read_voxels(tmp_path / "two.tif")
    assert np.array_equal(array[:, 0], np.moveaxis(pixels, -1, 0))
    assert geometry.shape == (1, 5, 6)


def test_a_compressed_picture_in_tiles_needs_no_further_package(tmp_path):
    pixels = np.arange(32 * 48, dtype=np.uint8).reshape(32, 48)
    Image.fromarray(pixels).save(tmp_path / "lzw.tif", compression="tiff_lzw", tiffinfo={322: 16, 323: 16})
    array, _ = read_voxels(tmp_path / "lzw.tif")
    assert np.array_equal(array[0, 0], pixels)


def sheared() -> np.ndarray:
    affine = np.diag([0.8, 0.8, 5.0, 1.0])
    affine[1, 2], affine[:3, 3] = 1.2, (3, -4, 5)
    return affine


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_axes_that_are_not_at_right_angles_are_read_with_a_remark_and_kept(ending, tmp_path):
    image = nibabel.Nifti1Image(np.arange(210, dtype=np.int16).reshape(5, 6, 7), sheared())
    image.set_sform(sheared(), 1)
    image.header["qform_code"] = 0
    file = tmp_path / f"tilted{ending}"
    nibabel.save(image, file)
    read = read_image([file])
    assert np.array_equal(read.array[0], np.asanyarray(image.dataobj).transpose(2, 1, 0))
    assert read.geometry.spacing == pytest.approx((np.hypot(5, 1.2), 0.8, 0.8), rel=1e-5)
    cosines = np.reshape(read.geometry.direction, (3, 3))
    assert np.allclose(cosines @ cosines.T, np.eye(3))
    angle = np.degrees(np.arctan(1.2 / 5))
    assert f"not at right angles ({angle:.1f} degrees off)" in read.geometry.remarks[0]

    labels = (np.arange(210) % 3).astype(np.uint8).reshape(7, 6, 5)
    write_label(tmp_path / f"label{ending}", labels, read.geometry)
    written = nibabel.load(tmp_path / f"label{ending}")
    assert np.allclose(written.affine, sheared(), atol=1e-6)
    assert np.array_equal(np.asanyarray(written.dataobj).transpose(2, 1, 0), labels)


def test_an_uncompressed_file_called_gz_is_read(tmp_path):
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    nibabel.save(image, tmp_path / "a.nii")
    (tmp_path / "plain.nii.gz").write_bytes((tmp_path / "a.nii").read_bytes())
    (tmp_path / "packed.nii").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    for name in ("plain.nii.gz", "packed.nii"):
        assert np.array_equal(read_voxels(tmp_path / name)[0], read_voxels(tmp_path / "a.nii")[0])


@pytest.mark.parametrize("name", READ)
def test_half_of_any_of_these_files_is_refused_by_name(name, images, tmp_path):
    whole = (images / name).read_bytes()
    for length in (len(whole) // 2, len(whole) - 9, 40, 3):
        (tmp_path / name).write_bytes(whole[:length])
        assert name in _message(tmp_path / name)


def _message(file: Path) -> str:
    """Return the message of a file that is refused, or its name if the format does not show the damage."""
    try:
        read_image([file])
    except InvalidFile as error:
        return str(error)
    return file.name


def test_a_stack_whose_spacing_stands_in_the_wrong_order_beside_it_has_a_remark(tmp_path):
    stack = np.zeros((4, 5, 6), np.uint16)
    options = {"resolution": (2.0, 2.0), "metadata": {"spacing": 3.0, "unit": "mm", "axes": "ZYX"}}
    tifffile.imwrite(tmp_path / "right_0000.tif", stack, imagej=True, **options)
    tifffile.imwrite(tmp_path / "wrong_0000.tif", stack, imagej=True, **options)
    (tmp_path / "right.json").write_text('{"spacing": [3.0, 0.5, 0.5]}')
    (tmp_path / "wrong.json").write_text('{"spacing": [0.5, 0.5, 3.0]}')
    assert read_geometry(tmp_path / "right_0000.tif").remarks == ()
    (remark,) = read_geometry(tmp_path / "wrong_0000.tif").remarks
    assert "(0.5, 0.5, 3.0), its own tags have (3.0, 0.5, 0.5)" in remark
