from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug.conversion.write_case import write_case
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.file_names import file_ending, image_files, stem
from nnplug.errors import InvalidFile
from nnplug.io.images import read_label, read_voxels, write_label

SHAPE = (4, 6, 5)


@pytest.fixture
def volume(tmp_path):
    """`volume(name, *channels)`: a file of one channel, or a 4D one."""

    def write(name, *channels, dtype=np.int16):
        arrays = [np.random.default_rng(seed).integers(0, 90, SHAPE).astype(dtype) for seed in channels]
        images = [sitk.GetImageFromArray(array) for array in arrays]
        image = images[0] if len(images) == 1 else sitk.JoinSeries(images)
        image.SetSpacing((0.5, 0.7, 3.0, 1.0)[: image.GetDimension()])
        image.SetOrigin((1.0, -2.0, 3.5, 0.0)[: image.GetDimension()])
        sitk.WriteImage(image, str(tmp_path / name))
        return tmp_path / name, arrays

    return write


def target(tmp_path, channels, ending=".nii.gz", *, label=False):
    images = tuple(tmp_path / "out" / f"a_{c:04d}{ending}" for c in range(channels))
    return CaseFiles("a", images, tmp_path / "out" / f"a{ending}" if label else None)


def test_channels_of_a_4d_file_are_written_one_by_one_in_their_own_type(volume, tmp_path):
    path, arrays = volume("a.nii.gz", 0, 1, 2)
    to = target(tmp_path, 3)
    write_case(CaseFiles("a", (path,)), to, {})
    for file, array in zip(to.images, arrays, strict=True):
        found, geometry = read_voxels(file)
        assert found.dtype == np.int16
        assert np.array_equal(found[0], array)
        assert geometry.spacing == pytest.approx((3.0, 0.7, 0.5))
        assert geometry.origin == pytest.approx((1.0, -2.0, 3.5))


def test_what_needs_no_change_is_copied_byte_for_byte(volume, tmp_path):
    first, _ = volume("x.nii.gz", 0)
    second, _ = volume("y.nii.gz", 1)
    label, _ = volume("l.nii.gz", 2, dtype=np.uint8)
    to = target(tmp_path, 2, label=True)
    write_case(CaseFiles("a", (first, second), label), to, {0: 0, 1: 1})
    for source, file in zip((first, second, label), (*to.images, to.label), strict=True):
        assert file.read_bytes() == source.read_bytes()


def test_another_format_keeps_voxels_and_geometry(volume, tmp_path):
    path, (array,) = volume("a.mhd", 0)
    to = target(tmp_path, 1, ".nrrd")
    write_case(CaseFiles("a", (path,)), to, {})
    found, geometry = read_voxels(to.images[0])
    assert np.array_equal(found[0], array)
    assert geometry.file_spacing == pytest.approx((0.5, 0.7, 3.0))


def test_a_3d_tif_keeps_its_spacing_beside_it(volume, tmp_path):
    path, _ = volume("a.nii.gz", 0)
    to = target(tmp_path, 1, ".tif")
    with pytest.raises(Exception, match="lies elsewhere"):  # a tif has no origin
        write_case(CaseFiles("a", (path,)), to, {})
    assert read_voxels(to.images[0])[1].spacing == pytest.approx((3.0, 0.7, 0.5))


def test_label_values_are_renamed(tmp_path, volume):
    image, _ = volume("a.nii.gz", 0)
    geometry = read_voxels(image)[1]
    label = np.zeros(SHAPE, np.int16)
    label[1], label[2] = 4, 255
    write_label(tmp_path / "l.nii.gz", label, geometry)
    to = target(tmp_path, 1, label=True)
    write_case(CaseFiles("a", (image,), tmp_path / "l.nii.gz"), to, {0: 0, 4: 2, 255: 1})
    assert read_label(to.label).array[:, 0, 0].tolist() == [0, 2, 1, 0]
    with pytest.raises(InvalidFile, match=r"l\.nii\.gz: holds the label value 255; known are 0, 4"):
        write_case(CaseFiles("a", (image,), tmp_path / "l.nii.gz"), to, {0: 0, 4: 1})


@pytest.mark.parametrize(("channels", "message"), [(1, "has 2 channels; there is room for 1"), (3, "has 2 channels, ")])
def test_another_number_of_channels_is_refused(volume, tmp_path, channels, message):
    path, _ = volume("a.nii.gz", 0, 1)
    with pytest.raises(InvalidFile, match=message):
        write_case(CaseFiles("a", (path,)), target(tmp_path, channels), {})


def test_names_of_files(tmp_path):
    assert (file_ending(tmp_path / "A.NII.GZ"), stem(tmp_path / "A.b.NII.GZ")) == (".nii.gz", "A.b")
    assert (file_ending(tmp_path / "a.txt"), stem(tmp_path / "a.txt")) == (None, "a")
    for name in ("b.png", "._b.png", "notes.txt"):
        (tmp_path / name).touch()
    assert image_files(tmp_path) == [tmp_path / "b.png"]
    assert image_files(tmp_path / "none") == []
