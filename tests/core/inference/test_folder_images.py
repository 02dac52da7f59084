"""Images in folders and archives: which readers are asked, and which images are chosen."""

from __future__ import annotations

import pytest

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.dataset.sidecars import read_with_cases
from nnplug.errors import InvalidFile, InvalidPlugin, Problems
from nnplug.inference.folder_images import ImageChoice
from nnplug.inference.inputs import check_channel_numbers, find_cases, not_taken
from nnplug.inference.prediction_files import PredictionFiles, output_description
from nnplug.io.images import read_image, write_label
from nnplug.io.readers import Readers
from nnplug.registry.loader import Plugins
from nnplug.registry.reader_entry import ReaderComponent

BODY = """
    import numpy as np
    from nnplug.contracts import FoundImage
    from nnplug.io.geometry import Geometry

    class Lines:
        '''Files NAME.line, each an image of one line of text; an archive .lines is a line.'''
        def find_images(self, folder, orientations=()):
            files = sorted(folder.rglob("*.line")) if folder.is_dir() else [folder]
            ending = f"{'-'.join(orientations)}.folderline"
            files = [file for file in files if file.read_text() != "empty"]
            return tuple(FoundImage(f.stem, folder / f"{f.stem}.{ending}", folder.name, f.read_text()) for f in files)

        def read(self, path):
            text = self.read_with(path)[0].read_text()
            shape = (1, 1, len(text))
            array = np.frombuffer(text.encode(), np.uint8).reshape(1, *shape)
            return array, Geometry(shape, (1.,) * 3, (1.,) * 3, (0.,) * 3, tuple(np.eye(3).ravel()))

        def read_geometry(self, path):
            return self.read(path)[1]

        def read_with(self, path):
            return tuple(sorted(path.parent.rglob(path.name.partition(".")[0] + ".line")))

        def example(self, folder): ...

    @hookimpl
    def nnplug_readers():
        yield ReaderComponent("lines", f"{__name__}:Lines", "", reads_folders=True, reads_also=(".folderline",),
                              archives=(".lines",), label_ending=".nii.gz")
"""


@pytest.fixture
def readers(install):
    install("nnplug-lines", "lines", BODY)
    return Readers.of(Plugins().registry)


@pytest.fixture
def fill(tmp_path):
    def fill(name, **lines):
        (tmp_path / name).mkdir(parents=True)
        for line, text in lines.items():
            (tmp_path / name / f"{line}.line").write_text(text)
        return tmp_path / name

    return fill


def described():
    raw = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "a": 1}, "numTraining": 1, "file_ending": ".png"}
    return DatasetDescription.from_data(raw, "test")


def test_a_folder_with_one_image_is_a_case_with_a_label_map_in_nifti(readers, fill, tmp_path):
    folder = fill("anna", a="hello")
    (case,) = find_cases([folder], ".nii.gz", readers, ImageChoice(orientations=("RAS", "LPS")))
    assert (case.name, case.images) == ("anna", (folder / "a.RAS-LPS.folderline",))
    assert bytes(read_image(case.images, case.readers).array.astype("u1")[0, 0, 0]) == b"hello"
    assert read_with_cases([case]) == (case.images[0], folder / "a.line")
    assert PredictionFiles(tmp_path, described()).of(case) == {"labels": tmp_path / "anna.nii.gz"}
    raw = {"file_ending": ".png"}
    assert output_description(raw, [case]) == {"file_ending": ".nii.gz"}
    assert not_taken([folder], [case], readers) == ()
    check_channel_numbers(case)


def test_several_images_are_listed_and_chosen_by_id(readers, fill):
    folder, other = fill("anna", a="hello", b="world"), fill("bert", c="!")
    with pytest.raises(Problems) as caught:
        find_cases([folder, other], ".nii.gz", readers)
    head, *lines = caught.value.lines
    assert head == f"{folder}: holds 2 image series. Choose by their ids with series; there are:"
    assert lines == ["  a: hello", "  b: world"]
    found = find_cases([folder, other], ".nii.gz", readers, ImageChoice(("b",)))
    assert [(case.name, case.images[0].name) for case in found] == [
        ("anna", "b..folderline"),
        ("bert", "c..folderline"),
    ]
    found = find_cases([folder], ".nii.gz", readers, ImageChoice(("a", "b")))
    assert [case.name for case in found] == ["anna_a", "anna_b"]
    with pytest.raises(Problems, match="^d: no input has an image series with this id$"):
        find_cases([other], ".nii.gz", readers, ImageChoice(("d",)))


def test_numbered_folders_are_channels_of_a_case(readers, fill):
    inputs = [fill("anna_0001", b="world"), fill("anna_0000", a="hello"), fill("scan_2023", c="!")]
    cases = find_cases(inputs, ".nii.gz", readers)
    assert [(case.name, len(case.images)) for case in cases] == [("anna", 2), ("scan_2023", 1)]
    assert cases[0].images[0].parent.name == "anna_0000"
    for case in cases:
        check_channel_numbers(case)


def test_plain_images_of_a_folder_come_first(readers, fill):
    folder = fill("anna", a="hello")
    (folder / "x_0000.nii.gz").touch()
    assert [case.name for case in find_cases([folder], ".nii.gz", readers)] == ["x"]
    assert [case.name for case in find_cases([folder], ".nii.gz", readers, ImageChoice(("a",)))] == ["anna"]


def test_archives_are_looked_into_and_other_files_are_not(readers, tmp_path):
    (tmp_path / "a.lines").write_text("hello")
    assert [case.name for case in find_cases([tmp_path / "a.lines"], ".nii.gz", readers)] == ["a.lines"]
    (tmp_path / "b.lines").write_text("empty")
    with pytest.raises(Problems, match=r"b.lines: holds no image that nnplug reads"):
        find_cases([tmp_path / "b.lines"], ".nii.gz", readers)
    (tmp_path / "c.txt").write_text("hello")
    with pytest.raises(Problems, match=r"c.txt: no image that nnplug reads"):
        find_cases([tmp_path / "c.txt"], ".nii.gz", readers)
    with pytest.raises(Problems, match=r"d.lines: no such file or folder"):
        find_cases([tmp_path / "d.lines"], ".nii.gz", readers)


def test_a_folder_reader_alone_still_writes_label_maps_and_never_its_own_format(readers, fill):
    folder = fill("anna", a="hello")
    (case,) = find_cases([folder], ".nii.gz", readers.only("lines"))
    image = read_image(case.images, case.readers)
    labels = (image.array[0] > 104).astype("u1")
    write_label(folder / "out.nii.gz", labels, image.geometry, case.readers)
    with pytest.raises(
        InvalidFile, match="reader 'lines' from nnplug-lines 1.0 only reads; choose the ending of a file"
    ):
        write_label(case.images[0], labels, image.geometry, case.readers)


@pytest.mark.parametrize(
    "fields",
    [
        {"endings": (".a",)},
        {"reads_also": ()},
        {"reads_also": (".a", ".b")},
        {"label_ending": ""},
    ],
)
def test_the_entry_of_a_reader_of_folders_is_checked(fields):
    sound = {"reads_folders": True, "reads_also": (".a",), "label_ending": ".nii.gz"}
    assert ReaderComponent("x", "a.b:C", "", **sound)
    with pytest.raises(InvalidPlugin, match="says reads_folders; expected no endings"):
        ReaderComponent("x", "a.b:C", "", **{**sound, **fields})


def test_cases_are_plain_values(readers, fill):
    (case,) = find_cases([fill("anna", a="hello")], ".nii.gz", readers)
    assert case == CaseFiles("anna", case.images)
