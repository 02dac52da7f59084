from __future__ import annotations

import json
import resource
import runpy
import signal
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from nnplug.errors import InvalidFile, NnplugError
from nnplug.io.default_reader.integrity import count_nonfinite, is_intact
from nnplug.io.images import (
    Geometry,
    read_geometry,
    read_image,
    read_label,
    same_spacing,
    write_image,
    write_label,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "images.json").read_text())
SAMPLES = Path(__file__).parents[3] / "bench" / "oracle" / "sample_images.py"
ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd", ".tif")
FLAT_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".nii.gz", ".mha")


def geometry(shape, spacing=(3.0, 2.0, 0.5)) -> Geometry:
    axes = 3 if shape[0] > 1 else 2
    direction = (0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0) if axes == 3 else (1.0, 0.0, 0.0, 1.0)
    return Geometry(shape, spacing, spacing[::-1][:axes], (5.0, -6.0, 7.0)[:axes], direction)


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    runpy.run_path(str(SAMPLES))["write_images"](folder)
    return folder


@pytest.mark.parametrize("case", GOLDEN)
def test_arrays_and_spacings_equal_those_of_nnunets_readers(case, samples):
    file, expected = samples / case.split()[1], GOLDEN[case]
    image = read_image([file])
    assert image.array.dtype == np.float32
    assert list(image.array.shape) == expected["shape"]
    assert image.array.ravel().tolist() == expected["values"]
    assert image.geometry.spacing == pytest.approx(expected["spacing"])
    assert read_geometry(file) == image.geometry


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_volume_label_comes_back_with_its_geometry(ending, tmp_path):
    label = np.arange(2 * 3 * 200).reshape(2, 3, 200)
    path = tmp_path / f"case{ending}"
    write_label(path, label, geometry(label.shape))
    first = read_label(path)
    write_label(tmp_path / f"again{ending}", label, first.geometry)
    again = read_label(tmp_path / f"again{ending}")
    assert np.array_equal(first.array, label)
    assert again.geometry == first.geometry
    assert first.array.dtype == np.int16


@pytest.mark.parametrize("ending", FLAT_ENDINGS)
def test_a_flat_label_comes_back_as_one_slice(ending, tmp_path):
    label = np.arange(12).reshape(1, 3, 4)
    path = tmp_path / f"case{ending}"
    write_label(path, label, geometry(label.shape))
    assert np.array_equal(read_label(path).array, label)
    assert sitk.ReadImage(str(path)).GetDimension() == 2


@settings(max_examples=25, deadline=None)
@given(array=arrays.arrays(np.int16, st.tuples(*[st.integers(2, 5)] * 3), elements=st.integers(0, 32767)))
def test_any_label_map_survives_the_disk(array, tmp_path_factory):
    path = tmp_path_factory.mktemp("label") / "case.nii.gz"
    where = geometry(array.shape)
    write_label(path, array, where)
    back = read_label(path)
    assert np.array_equal(back.array, array)
    assert back.geometry.shape == where.shape
    assert back.geometry.spacing == pytest.approx(where.spacing)
    assert back.geometry.origin == pytest.approx(where.origin)
    assert back.geometry.direction == pytest.approx(where.direction)


@pytest.mark.parametrize(("highest", "kind"), [(255, sitk.sitkUInt8), (256, sitk.sitkUInt16)])
@pytest.mark.parametrize("ending", [".nii.gz", ".png"])
def test_the_smallest_type_that_holds_the_values_is_written(highest, kind, ending, tmp_path):
    label = np.full((1, 2, 2), highest)
    write_label(tmp_path / f"a{ending}", label, geometry(label.shape))
    assert sitk.ReadImage(str(tmp_path / f"a{ending}")).GetPixelID() == kind


def test_channels_in_several_files_are_stacked(tmp_path):
    for channel in range(2):
        write_image(tmp_path / f"{channel}.nii.gz", np.full((2, 3, 4), channel, np.float32), geometry((2, 3, 4)))
    image = read_image([tmp_path / "0.nii.gz", tmp_path / "1.nii.gz"])
    assert image.array.shape == (2, 2, 3, 4)
    assert image.array.mean(axis=(1, 2, 3)).tolist() == [0, 1]


def test_vector_voxels_are_channels(tmp_path):
    voxels = np.arange(2 * 3 * 4 * 2, dtype=np.float32).reshape(2, 3, 4, 2)
    sitk.WriteImage(sitk.GetImageFromArray(voxels, isVector=True), str(tmp_path / "a.nrrd"))
    assert np.array_equal(read_image([tmp_path / "a.nrrd"]).array, np.moveaxis(voxels, -1, 0))


def test_five_axes_are_refused(tmp_path):
    voxels = sitk.GetImageFromArray(np.zeros((2, 2, 3, 4, 2), np.float32), isVector=True)
    sitk.WriteImage(voxels, str(tmp_path / "a.nrrd"))
    with pytest.raises(InvalidFile, match=r"a\.nrrd: has size .*; expected a 2D or 3D image"):
        read_image([tmp_path / "a.nrrd"])


@pytest.mark.parametrize("sidecar", ["case.json", "case_0000.json"])
def test_a_volume_tif_takes_its_spacing_from_the_sidecar(sidecar, tmp_path):
    path = tmp_path / "case_0000.tif"
    write_image(path, np.zeros((2, 3, 4), np.uint8), geometry((2, 3, 4)))
    assert read_geometry(path).spacing == (1.0, 1.0, 1.0)
    (tmp_path / sidecar).write_text('{"spacing": [3, 2, 0.5]}')
    assert read_geometry(path).spacing == (3.0, 2.0, 0.5)


def test_a_volume_tif_label_is_written_with_a_sidecar(tmp_path):
    label = np.ones((2, 3, 4), np.int16)
    write_label(tmp_path / "case.tif", label, geometry(label.shape))
    assert read_label(tmp_path / "case.tif").geometry.spacing == (3.0, 2.0, 0.5)


@pytest.mark.parametrize("spacing", ["[1, 2]", "[1, 2, 0]", "[Infinity, 1, 1]", "[NaN, 1, 1]", '"1"', "null"])
def test_a_bad_sidecar_is_named(spacing, tmp_path):
    write_image(tmp_path / "case.tif", np.zeros((2, 3, 4), np.uint8), geometry((2, 3, 4)))
    (tmp_path / "case.json").write_text(f'{{"spacing": {spacing}}}')
    with pytest.raises(InvalidFile, match=r"case\.json: 'spacing' is .*; expected three lengths in mm"):
        read_geometry(tmp_path / "case.tif")


@pytest.mark.parametrize("ending", [*ENDINGS, ".png", ".bmp"])
def test_a_truncated_file_is_refused(ending, tmp_path):
    shape = (1, 40, 50) if ending in (".png", ".bmp") else (10, 40, 50)
    path = tmp_path / f"case{ending}"
    write_image(path, np.random.RandomState(0).randint(0, 255, shape).astype(np.uint8), geometry(shape))
    data = path.read_bytes()
    for length in (0, len(data) // 50, len(data) // 2, len(data) * 9 // 10):
        path.write_bytes(data[:length])
        with pytest.raises(InvalidFile, match=r"case\..*(truncated|cannot be read).*Verify the dataset"):
            read_image([path])


def test_a_truncated_nifti_says_nothing_but_the_error(tmp_path, capfd):
    path = tmp_path / "case.nii.gz"
    write_image(path, np.random.RandomState(0).randint(0, 255, (10, 40, 50)).astype(np.uint8), geometry((10, 40, 50)))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(InvalidFile, match="is empty or truncated; copy it again"):
        read_image([path])
    assert capfd.readouterr() == ("", "")


def test_a_flipped_bit_in_a_compressed_file_is_found(tmp_path):
    path = tmp_path / "case.nii.gz"
    write_image(path, np.random.RandomState(0).randint(0, 255, (10, 40, 50)).astype(np.uint8), geometry((10, 40, 50)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert not is_intact(path)


def test_a_tiff_whose_page_follows_itself_is_refused(tmp_path):
    """A reader that goes from page to page would never end."""
    path = tmp_path / "case.tif"
    empty_page_at_8 = struct.pack("<HI", 0, 8)  # no entries, then the next page
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8) + empty_page_at_8 + bytes(8))
    assert not is_intact(path)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_whole_file_is_intact(ending, tmp_path):
    write_image(tmp_path / f"a{ending}", np.zeros((3, 4, 5), np.float32), geometry((3, 4, 5)))
    assert is_intact(tmp_path / f"a{ending}")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InvalidFile, match=r"gone\.nii\.gz: cannot be read \(No such file or directory\)"):
        read_image([tmp_path / "gone.nii.gz"])


@pytest.mark.parametrize("name", ["text.nrrd", "text.mha"])
def test_a_file_that_is_no_image_is_named(name, tmp_path):
    (tmp_path / name).write_text("not an image")
    with pytest.raises(
        InvalidFile,
        match=rf"{name}: cannot be read as an image \(its content is no format that ITK reads\); convert it",
    ):
        read_image([tmp_path / name])


def test_a_file_that_itk_cannot_finish_is_named(tmp_path):
    path = tmp_path / "case.nrrd"
    write_image(path, np.random.RandomState(0).rand(5, 6, 7).astype(np.float32), geometry((5, 6, 7)))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InvalidFile, match=r"case\.nrrd: is truncated or damaged \(.*\[nrrd\].*\); copy it again"):
        read_image([path])


def test_channels_of_different_shape_are_named_with_their_shapes(tmp_path):
    write_image(tmp_path / "a.nii.gz", np.zeros((2, 3, 4), np.uint8), geometry((2, 3, 4)))
    write_image(tmp_path / "b.nii.gz", np.zeros((2, 3, 5), np.uint8), geometry((2, 3, 5)))
    with pytest.raises(InvalidFile, match=r"a\.nii\.gz has shape \(2, 3, 4\), .*b\.nii\.gz has \(2, 3, 5\)"):
        read_image([tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"])


def test_channels_of_different_spacing_are_named_with_their_spacings(tmp_path):
    for name, z in (("a", 3.0), ("b", 4.0)):
        write_image(tmp_path / f"{name}.nii.gz", np.zeros((2, 3, 4), np.uint8), geometry((2, 3, 4), (z, 2.0, 0.5)))
    with pytest.raises(InvalidFile, match=r"a\.nii\.gz has spacing \(3.*b\.nii\.gz has \(4"):
        read_image([tmp_path / "a.nii.gz", tmp_path / "b.nii.gz"])


def test_spacings_that_differ_by_rounding_are_the_same():
    exact, rounded = geometry((2, 3, 4), (5.0, 0.7421875, 0.7421875)), geometry((2, 3, 4), (5.0, 0.742188, 0.742188))
    assert same_spacing(exact, rounded)
    assert not same_spacing(exact, geometry((2, 3, 4), (5.0, 0.75, 0.75)))


@pytest.mark.parametrize("value", [0.5, float("nan"), 40000.0])
def test_a_label_that_is_no_small_whole_number_is_quoted(value, tmp_path):
    write_image(tmp_path / "a.nrrd", np.full((2, 3, 4), value, np.float32), geometry((2, 3, 4)))
    with pytest.raises(InvalidFile, match=rf"a\.nrrd: holds {value:g}, which is no label value"):
        read_label(tmp_path / "a.nrrd")


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_nan_in_a_nifti_is_counted_although_itk_hides_it(ending, kind, tmp_path):
    voxels = np.ones((2, 3, 4), kind)
    voxels[0, 1, 2], voxels[1, 0, 0] = np.nan, -np.inf
    write_image(tmp_path / f"a{ending}", voxels, geometry((2, 3, 4)))
    assert np.isfinite(read_image([tmp_path / f"a{ending}"]).array).all()
    assert count_nonfinite(np.zeros(1), tmp_path / f"a{ending}") == 2


def test_whole_numbers_are_never_nan(tmp_path):
    write_image(tmp_path / "a.nii", np.full((2, 3, 4), -1, np.int32), geometry((2, 3, 4)))
    assert count_nonfinite(np.zeros(1), tmp_path / "a.nii") == 0


@pytest.mark.parametrize("order", "<>")
def test_a_nifti_2_header_is_understood(order, tmp_path):
    header = struct.pack(f"{order}i8s2h8q", 540, b"n+2\0\r\n\x1a\n", 16, 32, 3, 4, 3, 2, 1, 1, 1, 1)
    start = header.ljust(168, b"\0") + struct.pack(f"{order}q", 544)
    voxels = np.array([np.nan] * 24, np.dtype(f"{order}f4")).tobytes()
    (tmp_path / "a.nii").write_bytes(start.ljust(544, b"\0") + voxels)
    assert is_intact(tmp_path / "a.nii")
    assert count_nonfinite(np.zeros(1), tmp_path / "a.nii") == 24
    (tmp_path / "a.nii").write_bytes(start.ljust(544, b"\0") + voxels[:-1])
    assert not is_intact(tmp_path / "a.nii")


def test_a_label_with_channels_is_refused(samples):
    with pytest.raises(InvalidFile, match=r"rgb\.png: has 3 channels; a label map has one"):
        read_label(samples / "rgb.png")


def test_a_label_of_another_shape_is_a_programming_error(tmp_path):
    with pytest.raises(ValueError, match=r"label map has shape \(2, 3, 4\), its image \(2, 3, 5\)"):
        write_label(tmp_path / "a.nii.gz", np.zeros((2, 3, 4), int), geometry((2, 3, 5)))


def test_bmp_cannot_hold_many_labels(tmp_path):
    with pytest.raises(NnplugError, match=r"a\.bmp: bmp holds label values up to 255, not 300"):
        write_label(tmp_path / "a.bmp", np.full((1, 3, 4), 300), geometry((1, 3, 4)))


@pytest.mark.parametrize("ending", [*ENDINGS, ".png", ".bmp"])
def test_a_full_disk_leaves_nothing_behind(ending, tmp_path):
    shape = (1, 100, 100) if ending in (".png", ".bmp") else (10, 100, 100)
    label = np.random.RandomState(0).randint(0, 250, shape)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        with pytest.raises(NnplugError, match=r"case\..*cannot be written .*Free some space"):
            write_label(tmp_path / f"case{ending}", label, geometry(shape))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("axes", ["4294967296", "0", "-1", "x", "99"])
def test_a_number_of_axes_that_crashes_itk_is_named(axes, tmp_path):
    path = tmp_path / "a.mha"
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((2, 3, 4), np.int16)), str(path))
    assert read_image([path]).array.shape == (1, 2, 3, 4)
    path.write_bytes(path.read_bytes().replace(b"NDims = 3", b"NDims = " + axes.encode()))
    with pytest.raises(InvalidFile, match=r"a\.mha: is empty or truncated"):
        read_image([path])


def test_a_complex_image_is_refused_with_the_remedy(tmp_path):
    sitk.WriteImage(sitk.GetImageFromArray(np.ones((3, 4, 5), np.complex64)), str(tmp_path / "a.nii.gz"))
    with pytest.raises(InvalidFile, match=r"a\.nii\.gz: has complex values\. Save their magnitude"):
        read_image((tmp_path / "a.nii.gz",))
