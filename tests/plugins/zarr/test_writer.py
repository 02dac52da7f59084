"""Label maps in the group labels of OME-Zarr."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from click.testing import CliRunner

from nnplug.contracts import PredictedCase
from nnplug.dataset.case_files import CaseFiles
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidOptions
from nnplug.inference.outputs.writers import choose_writers
from nnplug.io.geometry import Geometry, LabelMap
from nnplug.io.images import read_label, write_image
from nnplug.registry.loader import Plugins
from nnplug_cli.main import main
from nnplug_zarr.writer import OmeZarrWriter

RAW = {
    "channel_names": {"0": "CT"},
    "labels": {"background": 0, "whole": [1, 2], "core": 2},
    "regions_class_order": [1, 2],
    "numTraining": 1,
    "file_ending": ".nii.gz",
}
DESCRIPTION = DatasetDescription.from_data(RAW, "test")
PLACE = Geometry((5, 6, 7), (3.0, 2.0, 0.5), (0.5, 2.0, 3.0), (5.0, -6.0, 7.0), tuple(np.eye(3).ravel().tolist()))
FLAT = Geometry((1, 6, 7), (1998.0, 2.0, 0.5), (0.5, 2.0), (5.0, -6.0), (1.0, 0.0, 0.0, 1.0))


@pytest.mark.parametrize("version", [0.4, 0.5])
@pytest.mark.parametrize("place", [PLACE, FLAT], ids=["3D", "2D"])
@pytest.mark.parametrize("value", [2, 0])
def test_a_label_map_is_in_labels_with_the_transform_of_its_image(readers, tmp_path, version, place, value):
    write_image(tmp_path / "a.zarr", np.zeros(place.shape, np.uint8), place, readers)
    case = CaseFiles("a", (tmp_path / "a.zarr",), readers=readers)
    writer, labels = OmeZarrWriter(version=version, name="organs"), np.full(place.shape, value, np.int16)
    labels[0, 0, 0] = 0
    writer.write(tmp_path / "out", PredictedCase(case, LabelMap(labels, place), DESCRIPTION, "m", "0" * 12))
    written = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == set(writer.files(case, DESCRIPTION))
    root = zarr.open_group(str(tmp_path / "out" / "a.ome.zarr"), mode="r")
    assert root.metadata.zarr_format == (2 if version == 0.4 else 3)
    group = root["labels/organs"]
    own = group.attrs if version == 0.4 else group.attrs["ome"]
    assert own["image-label"]["properties"] == [
        {"label-value": 1, "name": "whole"},
        {"label-value": 2, "name": "whole+core"},
    ]
    assert (root["labels"].attrs if version == 0.4 else root["labels"].attrs["ome"])["labels"] == ["organs"]
    (tmp_path / "l.zarr").symlink_to(tmp_path / "out" / "a.ome.zarr" / "labels" / "organs")
    again = read_label(tmp_path / "l.zarr", readers)
    assert np.array_equal(again.array, labels)
    assert again.geometry == place


@pytest.mark.parametrize(
    ("options", "message"),
    [({"name": "a/b"}, "name is 'a/b'; expected letters"), ({"version": 0.3}, "version is 0.3; expected 0.4 or")],
)
def test_wrong_options_are_a_line(options, message):
    with pytest.raises(InvalidOptions, match=message):
        choose_writers(["ome-zarr"], options, Plugins().registry)


def test_a_damaged_image_holds_up_no_other(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"torn")
    names = OmeZarrWriter().files(CaseFiles("a", (tmp_path / "a.nii.gz",)), DESCRIPTION)
    assert names[-1] == "a.ome.zarr/labels/nnplug/0/c/0/0/0"


def test_the_command_predicts_images_in_zarr(pack_model, readers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pack_model(tmp_path / "model.zip", "CT")
    for name in "ab":
        voxels = np.random.default_rng(ord(name)).normal(size=(10, 16, 14)).astype(np.float32)
        place = Geometry(voxels.shape, (1.0,) * 3, (1.0,) * 3, (1.0, 2.0, 3.0), PLACE.direction)
        write_image(Path("images") / f"{name}_0000.ome.zarr", voxels, place, readers)
    words = ["predict", "-i", "images", "-o", "out", "-m", "model.zip", "-ot", "ome-zarr", "nifti", "--report"]
    fast = ["--device", "cpu", "--no-mirroring", "--step-size", "1", "--continue"]
    for _ in range(2):
        done = CliRunner().invoke(main, [*words, *fast])
        assert done.exit_code == 0, done.output
    label, group = read_label(Path("out/a.nii.gz")), Path("out/a.ome.zarr")
    Path("a.zarr").symlink_to((group / "labels" / "nnplug").absolute())
    assert np.array_equal(read_label(Path("a.zarr"), readers).array, label.array)
    assert read_label(Path("a.zarr"), readers).geometry == label.geometry
    assert not list(group.rglob(".*"))
    assert not Path("out/.ome-zarr.lock").exists()  # no file is shared
    assert json.loads(Path("out/dataset.json").read_text())["file_ending"] == ".nii.gz"
    report = json.loads(Path("out/report.json").read_text())
    assert report["cases"]["a"]["inputs"][0]["files"] == 3
