from __future__ import annotations

import json

import pytest

from nnplug.conversion.convert import convert, plan_conversion
from nnplug.errors import InvalidFile, NnplugError, Problems
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.files import write_text
from nnplug.runtime.progress import Silent
from nnplug_layouts.bids import Bids

HOW = {"executor": LocalExecutor(2), "progress": Silent()}


@pytest.fixture
def source(bids):
    """Two sessions of one subject with label maps, and a subject without."""
    bids.image("sub-01/ses-1/anat/sub-01_ses-1_T1w", label="manual")
    bids.image("sub-01/ses-2/anat/sub-01_ses-2_T1w", label="manual")
    bids.image("sub-02/anat/sub-02_T1w")
    write_text(bids.folder / "derivatives/manual/dseg.tsv", "index\tname\n0\tbackground\n1\tedema\n2\tcore\n")
    return bids


def test_images_and_label_maps_stay_where_they_are(source, tmp_path):
    dataset, report = convert(Bids(), source.folder, tmp_path / "Dataset001_A", **HOW)
    assert (report.cases, report.problems) == (2, ())
    raw = json.loads((dataset.folder / "dataset.json").read_text())
    assert (raw["channel_names"], raw["labels"]) == ({"0": "T1w"}, {"background": 0, "edema": 1, "core": 2})
    assert list(raw["dataset"]) == ["sub-01_ses-1", "sub-01_ses-2"]
    label = source.folder / "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_desc-x_dseg.nii.gz"
    assert raw["dataset"]["sub-01_ses-1"]["label"] == str(label)
    assert list(raw["testing"]) == ["sub-02"]
    assert [path.name for path in dataset.folder.iterdir()] == ["dataset.json"]


def test_several_suffixes_are_channels(source):
    for name in ("sub-01/ses-1/anat/sub-01_ses-1", "sub-01/ses-2/anat/sub-01_ses-2"):
        source.image(f"{name}_FLAIR")
    with pytest.raises(InvalidFile, match=r'has images FLAIR \(2\), T1w \(2\)\..*suffixes=\["FLAIR","T1w"\]'):
        plan_conversion(Bids(), source.folder, **HOW)
    scan = plan_conversion(Bids(suffixes=("T1w", "FLAIR"), channels=("MR", "MR2")), source.folder, **HOW).scan
    assert scan.description["channel_names"] == {"0": "MR", "1": "MR2"}
    assert [image.name for image in scan.training[0].images] == [
        "sub-01_ses-1_T1w.nii.gz",
        "sub-01_ses-1_FLAIR.nii.gz",
    ]
    assert scan.unseen == ()


def test_a_label_map_belongs_to_the_image_of_its_run(bids):
    bids.image("sub-01/anat/sub-01_run-1_T1w", label="manual")
    bids.image("sub-01/anat/sub-01_run-2_T1w", label="manual")
    scan = plan_conversion(Bids(), bids.folder, **HOW).scan
    assert [(c.name, c.images[0].name) for c in scan.training] == [
        ("sub-01_run-1", "sub-01_run-1_T1w.nii.gz"),
        ("sub-01_run-2", "sub-01_run-2_T1w.nii.gz"),
    ]
    assert scan.description["labels"] == {"background": 0, "class_1": 1, "class_2": 2}


def test_label_maps_without_a_clear_image_are_all_named(bids):
    bids.image("sub-01/anat/sub-01_T1w", label="manual")
    bids.image("sub-02/anat/sub-02_run-1_T1w", label="manual")
    bids.image("sub-02/anat/sub-02_run-2_T1w")
    folder = bids.folder / "derivatives/manual"
    (folder / "sub-02/anat/sub-02_run-1_desc-x_dseg.nii.gz").rename(folder / "sub-02/anat/sub-02_dseg.nii.gz")
    (bids.folder / "sub-01/anat/sub-01_T1w.nii.gz").rename(bids.folder / "sub-01/anat/sub-01_T2w.nii.gz")
    (folder / "sub-01/anat/sub-01_dseg.nii.gz").write_bytes(b"")
    with pytest.raises(Problems) as caught:
        plan_conversion(Bids(suffixes=("T1w",)), bids.folder, **HOW)
    text = "\n".join(caught.value.lines)
    assert "its session has no image T1w of the same entities; add it" in text
    assert "is one of 2 label maps of sub-01; leave one" in text
    assert "belongs to sub-02_run-1_T1w.nii.gz, sub-02_run-2_T1w.nii.gz; name it like one of them" in text


def test_one_of_several_derivatives_is_chosen(source):
    source.image("sub-02/anat/sub-02_T1w", label="auto")
    with pytest.raises(InvalidFile, match=r"auto, manual have label maps\. Choose one\..*converter\.derivative=auto"):
        plan_conversion(Bids(), source.folder, **HOW)
    assert len(plan_conversion(Bids(derivative="auto"), source.folder, **HOW).scan.training) == 1
    with pytest.raises(InvalidFile, match="no label maps; expected derivatives/other/sub-01"):
        plan_conversion(Bids(derivative="other"), source.folder, **HOW)


def test_tables_must_agree_and_have_their_columns(source):
    table = source.folder / "derivatives/manual/sub-01/ses-1/anat/sub-01_ses-1_desc-x_dseg.tsv"
    write_text(table, "index\tname\n1\tother\n")
    with pytest.raises(InvalidFile, match=r"names other classes than .*converter\.classes"):
        plan_conversion(Bids(), source.folder, **HOW)
    write_text(table, "number\tname\n1\tother\n")
    with pytest.raises(InvalidFile, match="expected the columns index, a number, and name"):
        plan_conversion(Bids(), source.folder, **HOW)
    scan = plan_conversion(Bids(classes={"x": 1, "y": 2}), source.folder, **HOW).scan
    assert scan.description["labels"] == {"background": 0, "x": 1, "y": 2}


def test_label_maps_need_images_and_values_without_gaps(source):
    write_text(source.folder / "derivatives/manual/dseg.tsv", "index\tname\n1\tedema\n17\tcore\n")
    with pytest.raises(Problems, match=r"label values are 0, 1, 17; they must be consecutive"):
        plan_conversion(Bids(), source.folder, **HOW)
    assert plan_conversion(Bids(copy=True), source.folder, **HOW).scan.values == {0: 0, 1: 1, 17: 2}
    for path in source.folder.glob("sub-01/ses-*/anat/*"):
        path.unlink()
    with pytest.raises(NnplugError, match="no image of a session that has a label map"):
        plan_conversion(Bids(), source.folder, **HOW)
