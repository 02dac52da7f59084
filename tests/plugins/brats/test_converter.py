"""BraTS folders of all years become datasets, and predictions become what the challenge takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug.conversion.convert import convert
from nnplug.errors import InvalidFile, Problems
from nnplug.io.images import read_label, write_image, write_label
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug_brats.converter import BratsConverter
from nnplug_cli.main import main
from nnplug_nnunet.converters.examples import GEOMETRY, volumes

RUN = {"executor": LocalExecutor(1), "progress": Silent()}
OLD, NEW = ("t1", "t1ce", "t2", "flair"), ("t1n", "t1c", "t2w", "t2f")
YEARS = {
    "2018": ("HGG/Brats18_2013_10_1", "_", OLD, 4),
    "2019": ("LGG/BraTS19_TCIA09_141_1", "_", OLD, 4),
    "2020": ("BraTS20_Training_001", "_", OLD, 4),
    "2021": ("BraTS2021_00000", "_", OLD, 4),
    "2023": ("BraTS-GLI-00000-000", "-", NEW, 3),
    "africa": ("BraTS-SSA-00000-000", "-", NEW, 3),
}


def segmentation(enhancing):
    label = np.zeros(GEOMETRY.shape, np.uint8)
    label[2:9, 2:9, 2:9] = 2
    label[3:7, 3:7, 3:7] = 1
    label[4:6, 4:6, 4:6] = enhancing
    return label


def write(folder, year, *, labelled=True, ending=".nii.gz"):
    """A case; gives its name."""
    place, separator, contents, enhancing = YEARS[year]
    name = place.rpartition("/")[2]
    for channel, content in enumerate(contents):
        image = np.full(GEOMETRY.shape, channel + 1, np.float32) + volumes(0)[0][0]
        write_image(folder / place / f"{name}{separator}{content}{ending}", image, GEOMETRY)
    if labelled:
        write_label(folder / place / f"{name}{separator}seg{ending}", segmentation(enhancing), GEOMETRY)
    return name


def nnplug(*words):
    return CliRunner().invoke(main, [*map(str, words)])


@pytest.mark.parametrize("year", YEARS)
def test_there_and_back_again(tmp_path, year):
    name = write(tmp_path / "source", year)
    dataset, report = convert(BratsConverter(), tmp_path / "source", tmp_path / "Dataset001_BraTS", **RUN)
    assert not report.problems
    assert dataset.description.channel_names == ("T1", "T1ce", "T2", "FLAIR")
    (case,) = dataset.training_cases()
    assert case.name == name
    names = [file.name for file in case.images]
    assert names == [f"{name}_{channel:04d}.nii.gz" for channel in range(4)]
    label = read_label(case.label).array
    assert [label[2, 2, 2], label[3, 3, 3], label[4, 4, 4], label[0, 0, 0]] == [1, 2, 3, 0]
    back = nnplug(
        "dataset",
        "restore",
        dataset.folder / "labelsTr",
        tmp_path / "out",
        "--dataset-json",
        dataset.folder / "dataset.json",
    )
    assert back.exit_code == 0, back.stderr
    restored = read_label(tmp_path / "out" / f"{name}.nii.gz").array
    assert np.array_equal(restored, segmentation(YEARS[year][3]))


def test_cases_without_a_segmentation_are_to_be_predicted(tmp_path):
    write(tmp_path / "source", "2020")
    unseen = write(tmp_path / "source", "2021", labelled=False)
    scan = BratsConverter().scan(tmp_path / "source", **RUN)
    assert [case.name for case in scan.training] == ["BraTS20_Training_001"]
    assert [case.name for case in scan.unseen] == [unseen]


def test_files_need_not_be_compressed(tmp_path):
    write(tmp_path / "source", "2020", ending=".nii")
    _, report = convert(BratsConverter(), tmp_path / "source", tmp_path / "Dataset001_BraTS", **RUN)
    assert (report.problems, report.cases) == ((), 1)


def test_every_missing_and_strange_file_is_named(tmp_path):
    name = write(tmp_path / "source", "2020")
    folder = tmp_path / "source" / name
    (folder / f"{name}_t2.nii.gz").unlink()
    (folder / f"{name}_seg.nii.gz").rename(folder / "W39_1998.09.19_Segm.nii.gz")
    with pytest.raises(Problems) as error:
        BratsConverter().scan(tmp_path / "source", **RUN)
    assert [line.partition(": ")[2] for line in error.value.lines] == [
        f"case {name!r} has no t2; all four images are needed",
        "belongs to no case; rename it like the others, such as CASE_seg, or remove it",
    ]


def test_what_is_no_brats_folder_is_told(tmp_path):
    (tmp_path / "source").mkdir()
    with pytest.raises(InvalidFile, match="no BraTS cases; expected CASE/CASE_t1ce"):
        BratsConverter().scan(tmp_path / "source", **RUN)
    write(tmp_path / "source", "2020")
    write(tmp_path / "source", "2023")
    with pytest.raises(InvalidFile, match="convert them one after another"):
        BratsConverter().scan(tmp_path / "source", **RUN)


def test_predictions_of_datasets_that_say_nothing_are_refused(tmp_path):
    raw = {
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, "a": 1},
        "numTraining": 1,
        "file_ending": ".nii.gz",
    }
    file = tmp_path / "dataset.json"
    file.write_text(json.dumps(raw))
    write_label(tmp_path / "in" / "a.nii.gz", segmentation(3), GEOMETRY)
    words = ["dataset", "restore", tmp_path / "in", tmp_path / "out", "--dataset-json", file]
    assert f"error: {file}: 'source_labels' is None; expected the source's" in nnplug(*words).stderr
    file.write_text(json.dumps({**raw, "source_labels": {"0": 0, "1": 2}}))
    done = nnplug(*words)
    assert done.exit_code == 1
    assert "holds label 2, the source has no value for it; known: [0, 1]" in done.stderr
    assert not list((tmp_path / "out").glob("[!.]*"))
