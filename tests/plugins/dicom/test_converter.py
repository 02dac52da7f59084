"""Series with a SEG or RTSTRUCT become a dataset."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner

from nnplug.conversion.convert import convert
from nnplug.errors import InvalidFile, Problems
from nnplug.io.images import read_image, read_label
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug_cli.main import main
from nnplug_dicom.converter import DicomConverter
from nnplug_dicom.rtstruct_writer import RtstructWriter
from nnplug_dicom.seg_writer import SegWriter


@pytest.fixture
def source(phantom, tmp_path):
    """`source(tilted=RtstructWriter)`: a folder with a case per series, annotated by a writer."""

    def make(**writers):
        for name, writer in writers.items():
            made = phantom(name)
            writer().write(made.folder / "labels.dcm", made.predicted)
            (tmp_path / "source").mkdir(exist_ok=True)
            shutil.move(made.folder, tmp_path / "source" / name)
        return tmp_path / "source"

    return make


def run(source, target, **options):
    return convert(DicomConverter(**options), source, target, executor=LocalExecutor(2), progress=Silent())


@pytest.mark.parametrize("writer", [SegWriter, RtstructWriter])
def test_every_voxel_of_image_and_labels_is_kept(phantom, source, tmp_path, writer):
    names = ("axial", "sagittal", "oblique", "negated")
    wanted = {name: phantom(name) for name in names}
    for name in names:
        shutil.rmtree(wanted[name].folder)
    dataset, report = run(source(**dict.fromkeys(names, writer)), tmp_path / "Dataset001_A")
    assert (report.cases, report.problems) == (4, ())
    for name, made in wanted.items():
        image = read_image([dataset.folder / "imagesTr" / f"{name}_0000.nii.gz"])
        assert np.array_equal(image.array, made.array)
        assert np.allclose(image.geometry.origin, made.geometry.origin, atol=1e-3)
        assert np.array_equal(read_label(dataset.folder / "labelsTr" / f"{name}.nii.gz").array, made.labels)
    raw = json.loads((dataset.folder / "dataset.json").read_text())
    assert raw["labels"] == {"background": 0, "organ": 1, "tumour": 2}
    assert raw["channel_names"] == {"0": "CT"}
    if writer is SegWriter:
        assert raw["segments"]["organ"] == {
            "category": ["123037004", "SCT", "Anatomical Structure"],
            "type": ["64033007", "SCT", "Kidney"],
            "modifier": ["7771000", "SCT", "Left"],
        }


@pytest.mark.parametrize("writer", [SegWriter, RtstructWriter])
def test_a_tilted_series_is_corrected_with_its_labels(phantom, source, tmp_path, writer):
    labels = phantom("tilted").labels
    shutil.rmtree(tmp_path / "tilted")
    dataset, report = run(source(tilted=writer), tmp_path / "Dataset001_A")
    found = read_label(dataset.folder / "labelsTr" / "tilted.nii.gz").array
    assert report.problems == ()
    assert np.count_nonzero(found != labels) < 0.02 * np.count_nonzero(labels)


def test_the_command_converts_and_takes_chosen_classes(source, tmp_path):
    folder = source(axial=SegWriter, sagittal=SegWriter)
    (folder / "sagittal" / "labels.dcm").unlink()
    words = ("dataset", "convert", "dicom", folder, tmp_path / "Dataset001_A", "--set", "converter.classes=tumour")
    result = CliRunner().invoke(main, [*map(str, words), "--set", "converter.channel=PET", "--dry-run", "--json"])
    planned = json.loads(result.stdout)
    assert planned["dataset_json"]["labels"] == {"background": 0, "tumour": 1}
    assert planned["dataset_json"]["channel_names"] == {"0": "PET"}
    result = CliRunner().invoke(main, [*map(str, words)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "Dataset001_A" / "imagesTs" / "sagittal_0000.nii.gz").is_file()
    assert set(np.unique(read_label(tmp_path / "Dataset001_A" / "labelsTr" / "axial.nii.gz").array)) == {0, 1}


def test_classes_that_some_cases_lack_are_told(source, tmp_path, capsys):
    folder = source(axial=SegWriter, oblique=SegWriter)
    header = pydicom.dcmread(folder / "oblique" / "labels.dcm")
    header.SegmentSequence[1].SegmentLabel = "node"
    header.save_as(folder / "oblique" / "labels.dcm")
    scan = DicomConverter().scan(folder, executor=LocalExecutor(1), progress=Silent())
    assert scan.notices == ("some cases lack a class: node (1 of 2), tumour (1 of 2); it is background there",)
    with pytest.raises(
        InvalidFile, match="classes has 'nose', which no segmentation has; there are node, organ, tumour"
    ):
        DicomConverter(classes="nose").scan(folder, executor=LocalExecutor(1), progress=Silent())


def test_both_kinds_of_annotation_are_chosen_from_and_two_of_a_kind_refused(phantom, source, tmp_path):
    folder = source(axial=SegWriter)
    made = phantom("axial")
    RtstructWriter().write(folder / "axial" / "structures.dcm", made.predicted)
    for labels in ("seg", "rtstruct"):
        dataset, _ = run(folder, tmp_path / f"Dataset001_{labels}", labels=labels)
        assert np.array_equal(read_label(dataset.folder / "labelsTr" / "axial.nii.gz").array, made.labels)
    shutil.copy(folder / "axial" / "labels.dcm", folder / "axial" / "again.dcm")
    with pytest.raises(Problems, match=r"again.dcm: is one of 2 annotations of .*axial; leave one"):
        run(folder, tmp_path / "Dataset001_B")


def test_an_annotation_of_another_series_and_several_series_are_refused(phantom, source, tmp_path):
    folder = source(axial=SegWriter, sagittal=SegWriter)
    (folder / "axial" / "labels.dcm").unlink()
    shutil.copytree(folder / "axial", folder / "sagittal" / "more")
    for file in (folder / "sagittal" / "more").iterdir():
        header = pydicom.dcmread(file)
        header.SeriesInstanceUID = "1.2.3.4"
        header.save_as(file)
    scan = DicomConverter().scan(folder, executor=LocalExecutor(1), progress=Silent())
    assert [case.name for case in scan.training] == ["sagittal"]
    (folder / "sagittal" / "labels.dcm").rename(tmp_path / "labels.dcm")
    with pytest.raises(Problems, match=r"sagittal: holds 2 image series .*; leave one, or add the segmentation"):
        run(folder, tmp_path / "Dataset001_A")
    shutil.rmtree(folder / "sagittal")
    header = pydicom.dcmread(tmp_path / "labels.dcm")
    header.ReferencedSeriesSequence[0].SeriesInstanceUID = "1.2.3"
    header.save_as(folder / "axial" / "labels.dcm")
    with pytest.raises(Problems, match=r"labels.dcm: belongs to a series that .*axial does not hold"):
        run(folder, tmp_path / "Dataset001_A")
