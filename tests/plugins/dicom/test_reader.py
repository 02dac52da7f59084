"""Series are read as they lie in space, and irregular ones are refused with the name of a file."""

from __future__ import annotations

import io
import shutil
import stat
import warnings
import zipfile
from dataclasses import replace

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from nnplug.errors import InvalidFile, Problems
from nnplug.inference.folder_images import ImageChoice
from nnplug.inference.inputs import find_cases
from nnplug.io.placement import orientation
from nnplug.io.readers import Readers
from nnplug.registry.loader import Plugins
from nnplug_dicom.example import Acquisition, write_series
from nnplug_dicom.reader import DicomReader

READER = DicomReader()
UPRIGHT = ("axial", "sagittal", "oblique", "negated")


def only(folder, orientations=()):
    (image,) = READER.find_images(folder, orientations)
    return image.path


def place(geometry, index):
    """The point in mm of an index (x, y, z)."""
    return np.array(geometry.origin) + np.reshape(geometry.direction, (3, 3)) @ (
        index * np.array(geometry.file_spacing)
    )


@pytest.mark.parametrize("name", UPRIGHT)
def test_voxels_lie_where_the_headers_say(phantom, name):
    made = phantom(name)
    assert made.array.dtype == np.int16
    assert made.geometry.remarks == ()
    assert READER.read_geometry(made.path) == made.geometry
    for path in made.folder.iterdir():
        header = pydicom.dcmread(path)
        number = int(header.InstanceNumber) - 1
        index = np.linalg.inv(np.reshape(made.geometry.direction, (3, 3)) * made.geometry.file_spacing) @ (
            np.array(header.ImagePositionPatient, float) - made.geometry.origin
        )
        assert np.allclose(index, np.rint(index), atol=1e-4)
        assert np.array_equal(made.array[0, round(index[2])], made.voxels[number])


@pytest.mark.parametrize("name", UPRIGHT)
def test_itk_reads_the_same(phantom, name):
    made = phantom(name)
    files = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(made.folder))
    image = sitk.DICOMOrient(sitk.ReadImage(files), orientation(made.geometry))
    assert np.array_equal(sitk.GetArrayFromImage(image), made.array[0])
    assert np.allclose(image.GetOrigin(), made.geometry.origin, atol=1e-3)
    assert np.allclose(image.GetDirection(), made.geometry.direction, atol=1e-4)


def test_the_orientation_of_the_training_is_taken(phantom):
    stored, turned = phantom("sagittal"), phantom("sagittal", ["RAS", "LPI"])
    assert (orientation(stored.geometry), orientation(turned.geometry)) == ("PIR", "RAS")
    assert np.allclose(place(turned.geometry, np.array([0, 0, 0])).round(3) % 0.25, 0)
    assert turned.array.sum() == stored.array.sum()
    assert phantom("axial", ["RAS", "LPS"]).geometry == phantom("axial").geometry


def test_a_tilted_gantry_is_corrected_with_a_remark(phantom):
    made = phantom("tilted")
    (remark,) = made.geometry.remarks
    assert "a gantry tilted by 14.9 degrees" in remark
    assert made.geometry.shape == (15, 48, 44)
    assert READER.read_geometry(made.path) == made.geometry
    for number in (0, 7, 14):
        shift = number * 0.8 / 1.5
        low, share = int(shift), shift - int(shift)
        exact = (1 - share) * made.voxels[number, 1:-1] + share * made.voxels[number, :-2]
        assert np.allclose(made.array[0, number, low + 1 : low + 1 + len(exact)], exact, atol=1e-3)


def test_a_tilt_of_whole_pixels_loses_nothing(tmp_path):
    voxels = np.random.default_rng(0).integers(-500, 500, (4, 6, 7)).astype(np.int16)
    write_series(tmp_path, voxels, Acquisition(shear=-1.5))
    array, geometry = READER.read(only(tmp_path))
    assert geometry.shape == (4, 9, 7)
    for number in range(4):
        assert np.array_equal(array[0, number, 3 - number : 9 - number], voxels[number])


def test_pixels_are_in_the_units_of_the_rescale_slope(tmp_path):
    for path in write_series(tmp_path):
        header = pydicom.dcmread(path)
        header.RescaleSlope = 0.5 + header.InstanceNumber
        header.save_as(path)
    array, _ = READER.read(only(tmp_path))
    header = pydicom.dcmread(tmp_path / "slice_0003.dcm")
    assert array.dtype == np.float32
    assert np.allclose(array[0, 3], header.pixel_array * 4.5 - 1000)


@pytest.fixture
def series(tmp_path):
    folder = tmp_path / "series"
    write_series(folder)
    return folder


def edit(path, **changes):
    header = pydicom.dcmread(path)
    for name, value in changes.items():
        setattr(header, name, value)
    header.save_as(path)


def test_a_gap_is_refused_with_the_slice_after_it(series):
    path = only(series)
    (series / "slice_0002.dcm").unlink()
    with pytest.raises(
        InvalidFile, match=r"slice_0003.dcm: lies 6 mm from the slice before it, .*slice_0001.dcm, the others"
    ):
        READER.read(path)


def test_two_slices_in_one_place_are_refused_with_both(series):
    shutil.copy(series / "slice_0002.dcm", series / "again.dcm")
    with pytest.raises(InvalidFile, match=r"(slice_0002|again).dcm: lies where .*(slice_0002|again).dcm lies"):
        READER.read(only(series))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
            "has orientation (0.0, 1.0, 0.0, 0.0, 0.0, -1.0), most slices",
        ),
        ({"PixelSpacing": [2, 2]}, "has pixel spacing (2.0, 2.0), most slices of its series (1.5, 1.25)"),
        ({"ImagePositionPatient": [-15, -30, 49]}, "is shifted by 4 pixels against its neighbours"),
        ({"ImagePositionPatient": None}, "has no ImagePositionPatient"),
    ],
)
def test_a_slice_of_another_kind_is_refused_by_name(series, changes, message):
    path = only(series)
    edit(series / "slice_0003.dcm", **changes)
    with pytest.raises(InvalidFile) as caught:
        READER.read_geometry(path)
    assert str(caught.value).startswith(f"{series / 'slice_0003.dcm'}: {message}")


def test_a_single_slice_needs_a_thickness(tmp_path):
    write_series(tmp_path, np.zeros((1, 4, 5), np.int16))
    assert READER.read_geometry(only(tmp_path)).spacing == (3.0, 1.5, 1.25)
    edit(tmp_path / "slice_0000.dcm", SliceThickness=None)
    with pytest.raises(InvalidFile, match="is the only slice of its series and has no thickness"):
        READER.read_geometry(only(tmp_path))


def test_a_truncated_file_is_refused_by_name(series):
    path = only(series)
    (series / "slice_0001.dcm").write_bytes((series / "slice_0001.dcm").read_bytes()[:-40])
    with pytest.raises(InvalidFile, match=r"slice_0001.dcm"):
        READER.read(path)


def test_other_files_of_a_study_are_left_out(series):
    (series / "notes.txt").write_text("no DICOM")
    (series / ".hidden").write_bytes((series / "slice_0000.dcm").read_bytes())
    (series / "below").mkdir()
    (series / "slice_0000.dcm").rename(series / "below" / "slice_0000")
    assert len(READER.read_with(only(series))) == 5


def test_enhanced_images_are_read_from_one_file(series, tmp_path):
    headers = [pydicom.dcmread(path) for path in sorted(series.iterdir())]
    array, geometry = READER.read(only(series))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = highdicom.legacy.LegacyConvertedEnhancedCTImage(headers, "1.2.3.4", 2, "1.2.3.5", 1)
    made.save_as(tmp_path / "enhanced.dcm")
    path = only(tmp_path / "enhanced.dcm")
    again, where = READER.read(path)
    assert np.array_equal(again, array)
    assert np.allclose(where.origin, geometry.origin)
    assert np.allclose(where.direction, geometry.direction)
    assert np.allclose(where.spacing, geometry.spacing)
    assert orientation(READER.read_geometry(only(tmp_path / "enhanced.dcm", ["RAS"]))) == "RAS"


def archive(series, target, **further):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(series.iterdir()):
            zipped.write(file, f"study/{file.name}")
        for name, content in further.items():
            zipped.writestr(name.replace("__", "/"), content)
    return target


def test_a_zip_file_is_read_as_its_folder(series, tmp_path):
    array, geometry = READER.read(only(series))
    path = only(archive(series, tmp_path / "anna.ZIP"))
    again, where = READER.read(path)
    assert np.array_equal(array, again)
    assert where == geometry
    assert READER.read_with(path) == (tmp_path / "anna.ZIP",)
    assert READER.find_images(tmp_path / "anna.ZIP")[0].name == "anna"


@pytest.mark.parametrize("name", ["../evil.dcm", "a/../../evil.dcm", "/etc/evil.dcm", "C:\\evil.dcm", "..\\evil.dcm"])
def test_a_path_out_of_the_archive_is_refused(series, tmp_path, name):
    with pytest.raises(InvalidFile, match=r"evil.dcm', a path out of the archive; it is not opened"):
        READER.find_images(archive(series, tmp_path / "a.zip", **{name: b"x"}))


def test_links_and_damage_are_refused(series, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        zipped.writestr(link, "/etc/passwd")
    with pytest.raises(InvalidFile, match="holds the link 'link'"):
        READER.find_images(tmp_path / "a.zip")
    whole = archive(series, tmp_path / "b.zip").read_bytes()
    (tmp_path / "b.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidFile, match=r"b.zip: not a readable zip file"):
        READER.find_images(tmp_path / "b.zip")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    """Its directory says that a small file unpacks to 100 GB."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("a", b"0" * 1000)
    content = bytearray(target.getvalue())
    place = content.index(b"PK\x01\x02") + 24
    content[place : place + 4] = (0xFFFFFFF0).to_bytes(4, "little")
    for copy in range(1):
        (tmp_path / f"{copy}.zip").write_bytes(bytes(content))
    with pytest.raises(InvalidFile, match=r"unpacks from \d+ to 4294967280 bytes"):
        READER.find_images(tmp_path / "0.zip")


def test_an_archive_of_too_many_files_is_refused(series, tmp_path, monkeypatch):
    monkeypatch.setattr("nnplug_dicom.files.MOST_FILES", 3)
    with pytest.raises(InvalidFile, match=r"a.zip: holds 5 files, more than 3"):
        READER.find_images(archive(series, tmp_path / "a.zip"))


def test_several_series_are_listed_with_description_and_count(tmp_path):
    readers = Readers.of(Plugins().registry)
    first = Acquisition(description="Head 1.0 B30f")
    write_series(tmp_path / "study" / "1", acquisition=first)
    write_series(tmp_path / "study" / "2", acquisition=replace(first, number=2, description="Scout", step=1.0))
    with pytest.raises(Problems) as caught:
        find_cases([tmp_path / "study"], ".nii.gz", readers)
    uids = [first.uid("series", 1, number) for number in (1, 2)]
    assert list(caught.value.lines[1:]) == [
        f"  {uids[0]}: CT 'Head 1.0 B30f', 5 slices",
        f"  {uids[1]}: CT 'Scout', 5 slices",
    ]
    (case,) = find_cases([tmp_path / "study"], ".nii.gz", readers, ImageChoice((uids[1],)))
    assert (case.name, DicomReader().read_geometry(case.images[0]).spacing[0]) == ("study", 1.0)


def test_a_path_that_is_no_series_is_refused(series):
    with pytest.raises(InvalidFile, match="holds no image series 1.2.3"):
        READER.read(series / "1.2.3.dicom")
    with pytest.raises(InvalidFile, match="is not a DICOM series; give its folder or zip file"):
        READER.read(series / "slice_0000.dcm")
