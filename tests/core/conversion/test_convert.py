from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from nnplug.contracts import SourceScan
from nnplug.conversion.convert import check_source, convert, plan_conversion
from nnplug.dataset.case_files import CaseFiles
from nnplug.errors import InvalidFile, InvalidPlugin, NnplugError, Problems
from nnplug.registry.entries import ConverterComponent
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug_nnunet.converters import Decathlon, NnunetV1

HOW = {"executor": LocalExecutor(2), "progress": Silent()}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "Task04_Example"
    folder.mkdir()
    Decathlon().example(folder)
    return folder


def test_a_dataset_appears_whole_and_verified(source, tmp_path):
    dataset, report = convert(Decathlon(), source, tmp_path / "new" / "Dataset004_Example", **HOW)
    assert (report.cases, report.problems) == (2, ())
    assert report.dataset == dataset.name == "Dataset004_Example"
    assert dataset.description.raw["numTraining"] == 2
    assert sorted(p.name for p in dataset.folder.iterdir()) == ["dataset.json", "imagesTr", "imagesTs", "labelsTr"]
    assert len(list((dataset.folder / "imagesTs").iterdir())) == 1


def test_problems_of_the_source_are_reported_where_they_came_to_lie(source, tmp_path):
    raw = json.loads((source / "dataset.json").read_text())
    (source / "dataset.json").write_text(json.dumps({**raw, "labels": {"0": "background", "1": "organ"}}))
    dataset, report = convert(Decathlon(), source, tmp_path / "Dataset004_Example", **HOW)
    assert len(report.problems) == 2
    assert report.problems[0].startswith(f"{dataset.folder / 'labelsTr' / 'a.nii.gz'}: holds 2 ")


def test_nothing_is_left_of_a_conversion_that_failed(source, tmp_path):
    (source / "imagesTr" / "a.nii.gz").write_bytes(b"broken")
    with pytest.raises(Problems, match=r"convert of a: .*imagesTr/a\.nii\.gz: is empty or truncated"):
        convert(Decathlon(), source, tmp_path / "Dataset004_Example", **HOW)
    assert [p.name for p in tmp_path.iterdir()] == [source.name]


def test_the_place_must_be_new_and_outside(source, tmp_path):
    with pytest.raises(NnplugError, match="exists already; give the new dataset's folder"):
        convert(Decathlon(), source, tmp_path, **HOW)
    with pytest.raises(NnplugError, match="lies inside .*, which must stay as it is"):
        convert(Decathlon(), source, source / "Dataset004_Example", **HOW)


def test_missing_files_are_all_named(source):
    for name in ("a", "b"):
        (source / "labelsTr" / f"{name}.nii.gz").unlink()
    with pytest.raises(Problems) as caught:
        plan_conversion(Decathlon(), source, **HOW)
    assert [line.split(":")[0] for line in caught.value.lines] == [
        str(source / "labelsTr" / f"{n}.nii.gz") for n in "ab"
    ]
    assert "is missing; case 'a' needs it" in caught.value.lines[0]


def test_a_folder_of_another_kind_is_refused(source, tmp_path):
    with pytest.raises(InvalidFile, match="no such folder; give the folder to convert"):
        plan_conversion(Decathlon(), tmp_path / "none", **HOW)
    with pytest.raises(InvalidFile, match=r"no imagesTr/CASE_0000\.nii\.gz.*convert with msd"):
        plan_conversion(NnunetV1(), source, **HOW)


class Fixed:
    def __init__(self, *cases):
        labels = {"background": 0, "a": 1}
        self.found = SourceScan({"channel_names": {"0": "CT"}, "labels": labels, "file_ending": ".png"}, cases)

    def scan(self, source, *, executor, progress):
        return self.found


def test_names_must_be_single_and_plain(tmp_path):
    files = [tmp_path / name for name in ("1.png", "2.png", "3.png")]
    for file in files:
        np.save(file, 0)
        file.touch()
    cases = [CaseFiles(name, (file,), file) for name, file in zip(("a", "a", "b/c"), files, strict=True)]
    with pytest.raises(Problems) as caught:
        plan_conversion(Fixed(*cases), tmp_path, **HOW)
    assert "would both be called 'a'" in caught.value.lines[0]
    assert "case name 'b/c' is no plain file name" in caught.value.lines[1]
    with pytest.raises(Problems, match="no training cases were found"):
        plan_conversion(Fixed(), tmp_path, **HOW)


def test_a_source_is_a_file_or_a_folder_as_the_entry_says(tmp_path):
    file = tmp_path / "list.json"
    file.touch()
    of_files = ConverterComponent("lists", "a:B", "lists", source_ending=".json")
    of_folders = ConverterComponent("folders", "a:B", "folders")
    check_source(of_files, file)
    check_source(of_folders, tmp_path)
    with pytest.raises(InvalidFile, match=r"lists converts a file that ends in \.json"):
        check_source(of_files, tmp_path)
    with pytest.raises(InvalidFile, match=r"list\.json: is a file; folders converts a folder"):
        check_source(of_folders, file)
    with pytest.raises(InvalidPlugin, match="source_ending of component 'lists' is 'JSON'; expected lower case"):
        ConverterComponent("lists", "a:B", "lists", source_ending="JSON")


def test_files_that_stay_in_place_keep_values_and_have_plain_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("NNPLUG_HERE", "x")
    file = tmp_path / "$NNPLUG_HERE.png"
    file.touch()
    converter = Fixed(CaseFiles("a", (file,), file))
    converter.found = replace(converter.found, in_place=True, values={0: 0, 2: 1})
    with pytest.raises(Problems) as caught:
        plan_conversion(converter, tmp_path, **HOW)
    assert "must copy them to change values" in caught.value.lines[0]
    assert "has a variable of the environment in its name" in caught.value.lines[1]
