"""Tables of a folder are whole after every call, and no case is measured twice."""

from __future__ import annotations

import csv
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import Problems
from nnplug.evaluation import statistics_tables
from nnplug.evaluation.statistics_tables import cases_in, entries, is_current, spacing_of, write_statistics
from nnplug.io.images import read_geometry, write_label
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent

RAW = {
    "channel_names": {"0": "CT", "1": "PET"},
    "labels": {"background": 0, "liver": 1, "spleen": 2},
    "numTraining": 1,
    "file_ending": ".nii.gz",
}
DESCRIPTION = DatasetDescription.from_data(RAW, "test")
REGIONS = DatasetDescription.from_data(
    {**RAW, "labels": {"background": 0, "whole": [1, 2], "core": 2}, "regions_class_order": [1, 2]}, "test"
)


@pytest.fixture
def case(write_image, tmp_path):
    """`case("a", 5)`: an image of two channels, with a label map of 5 voxels of liver in the folder `out`."""

    def make(name, voxels):
        image = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        files = write_image(name, image, image * 2)
        labels = (np.arange(24) < voxels).reshape(2, 3, 4).astype(np.uint8)
        (tmp_path / "out").mkdir(exist_ok=True)
        write_label(tmp_path / "out" / f"{name}.nii.gz", labels, read_geometry(files.images[0]))
        return replace(files, label=tmp_path / "out" / f"{name}.nii.gz")

    return make


def write(folder, *cases, description=DESCRIPTION):
    write_statistics(cases, folder, description, executor=LocalExecutor(2), progress=Silent())
    with (folder / "statistics.csv").open() as table:
        rows = list(csv.DictReader(table))
    return json.loads((folder / "statistics.json").read_text())["cases"], rows


@pytest.fixture
def measured(monkeypatch):
    """The number of voxels in each label map that is measured from now on."""
    counts, real = [], statistics_tables.class_statistics

    def counting(label_map, *others):
        counts.append(int(np.count_nonzero(label_map)))
        return real(label_map, *others)

    monkeypatch.setattr(statistics_tables, "class_statistics", counting)
    return counts


def test_both_files_have_every_class_and_channel(case, tmp_path):
    cases, rows = write(tmp_path / "out", case("a", 5))
    entry = cases["a"]
    assert entry["spacing"] == pytest.approx([2.0, 1.1, 0.8])
    liver, spleen = entry["classes"]["liver"], entry["classes"]["spleen"]
    assert liver["volume_mm3"] == pytest.approx(5 * 2.0 * 1.1 * 0.8)
    assert {name: one["mean"] for name, one in liver["intensities"].items()} == {"CT": 2.0, "PET": 4.0}
    assert spleen == {"voxels": 0, "volume_mm3": 0.0, "intensities": {"CT": None, "PET": None}}
    assert [(row["case"], row["class"], row["channel"], row["voxels"], row["mean"]) for row in rows] == [
        ("a", "liver", "CT", "5", "2.0"),
        ("a", "liver", "PET", "5", "4.0"),
        ("a", "spleen", "CT", "0", ""),
        ("a", "spleen", "PET", "0", ""),
    ]
    assert float(rows[0]["volume_mm3"]) == liver["volume_mm3"]
    assert {row["area_mm2"] for row in rows} == {""}


def test_regions_have_names_and_volumes_of_their_own(case, tmp_path):
    cases, _ = write(tmp_path / "out", case("a", 5), description=REGIONS)
    assert {name: one["voxels"] for name, one in cases["a"]["classes"].items()} == {"whole": 5, "core": 0}


def test_pictures_have_pixels_alone(write_image, tmp_path):
    files = write_image("p", np.arange(12, dtype=np.uint8).reshape(3, 4), ending=".png")
    write_label(tmp_path / "out" / "p.png", np.ones((1, 3, 4), np.uint8), read_geometry(files.images[0]))
    one = DatasetDescription.from_data({**RAW, "channel_names": {"0": "EM"}, "file_ending": ".png"}, "test")
    cases, rows = write(tmp_path / "out", replace(files, label=tmp_path / "out" / "p.png"), description=one)
    assert cases["p"]["classes"]["liver"].keys() == {"voxels", "intensities"}
    assert (rows[0]["voxels"], rows[0]["volume_mm3"], rows[0]["area_mm2"]) == ("12", "", "")
    assert spacing_of(read_geometry(files.images[0])) == (1.0, 1.0)


def test_a_later_call_adds_cases_and_measures_only_what_has_changed(case, measured, tmp_path):
    a, b = case("a", 5), case("b", 7)
    write(tmp_path / "out", a)
    cases, rows = write(tmp_path / "out", a, b)
    assert (measured, list(cases), len(rows)) == ([5, 7], ["a", "b"], 8)
    b = case("b", 8)
    assert write(tmp_path / "out", b)[0].keys() == {"a", "b"}
    assert measured == [5, 7, 8]
    other = replace(DESCRIPTION, labels=DESCRIPTION.labels.only(["liver"]))
    cases, _ = write(tmp_path / "out", b, description=other)
    assert (measured, list(cases["b"]["classes"])) == ([5, 7, 8, 8], ["liver"])


def test_cases_whose_label_map_is_gone_or_another_one_leave_the_tables(case, tmp_path):
    a, b, c = case("a", 5), case("b", 7), case("c", 9)
    write(tmp_path / "out", a, b, c)
    a.label.unlink()
    case("b", 8)
    cases, rows = write(tmp_path / "out", c)
    assert (list(cases), {row["case"] for row in rows}) == (["c"], {"c"})
    assert is_current(tmp_path / "out", cases["c"])
    assert not is_current(tmp_path / "out", {})


def test_a_case_that_cannot_be_measured_is_named_and_the_others_are_in_the_tables(case, tmp_path):
    a, b = case("a", 5), case("b", 7)
    write(tmp_path / "out", a, b)
    write_label(b.label, np.ones((1, 2, 2), np.uint8), replace(read_geometry(a.label), shape=(1, 2, 2)))
    with pytest.raises(
        Problems, match=r"^statistics of b: .*b.nii.gz: has shape \(1, 2, 2\), .*b_0000.nii.gz has \(2, 3, 4\)"
    ):
        write(tmp_path / "out", a, b)
    assert list(cases_in(tmp_path / "out" / "statistics.json")) == ["a"]


def test_an_image_with_other_channels_is_refused(case, tmp_path):
    a = case("a", 5)
    with pytest.raises(Problems, match="the image has 1 channels, expected 2 .CT, PET."):
        write(tmp_path / "out", CaseFiles("a", a.images[:1], a.label))


def test_calls_at_once_lose_no_case(case, tmp_path):
    cases = [case(f"c{number}", number + 1) for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(
            pool.map(
                lambda one: write_statistics(
                    [one], tmp_path / "out", DESCRIPTION, executor=LocalExecutor(1), progress=Silent()
                ),
                cases,
            )
        )
    assert {name: one["classes"]["liver"]["voxels"] for name, one in write(tmp_path / "out")[0].items()} == {
        f"c{number}": number + 1 for number in range(6)
    }


def test_tables_of_other_programs_are_empty(tmp_path):
    (tmp_path / "statistics.json").write_text('{"liver": {"volume": 3}, "cases": ["a"]}')
    assert cases_in(tmp_path / "statistics.json") == entries({"cases": {"a": 3}}) == {}
