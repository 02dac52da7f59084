"""Ensembles of stored and of freshly predicted probabilities."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnplug import Plugins
from nnplug.errors import NnplugError, Problems
from nnplug.inference.averaging import ensemble_folders
from nnplug.io.images import Geometry, read_label, write_label
from nnplug.registry.runtime import Runtime
from nnplug.runtime.executor import LocalExecutor

GOLDEN = Path(__file__).parent / "golden" / "ensemble.npz"
RUN = {"runtime": Runtime(Plugins(), LocalExecutor(1))}


def geometry(shape):
    return Geometry(shape, (2.0, 1.0, 0.5), (0.5, 1.0, 2.0), (3.0, -1.0, 4.0), tuple(np.eye(3).ravel()))


@pytest.fixture(scope="module")
def oracle():
    """The script that asked nnunetv2, for its inputs; nnunetv2 itself is not needed."""
    path = Path(__file__).parents[3] / "bench" / "oracle" / "ensemble.py"
    source = path.read_text().split('if __name__ == "__main__"')[0]
    lines = [line for line in source.splitlines() if "nnunetv2." not in line]
    names = {"__name__": "inputs"}
    exec(compile("\n".join(lines), str(path), "exec"), names)
    return names


@pytest.fixture
def write_member(tmp_path):
    """Write a folder of predictions: `write_member("A", {"case": probabilities}, labels)`."""

    def write(name, cases, labels=None, order=None):
        folder = tmp_path / name
        folder.mkdir()
        raw = {"channel_names": {"0": "MRI"}, "labels": labels or {"background": 0, "a": 1}, "numTraining": 1}
        raw |= {"file_ending": ".nii.gz"} | ({} if order is None else {"regions_class_order": order})
        (folder / "dataset.json").write_text(json.dumps(raw))
        for case, probabilities in cases.items():
            shape = probabilities.shape[1:]
            write_label(folder / f"{case}.nii.gz", np.zeros(shape, np.uint8), geometry(shape))
            np.savez_compressed(folder / f"{case}.npz", probabilities=probabilities)
        return folder

    return write


@pytest.mark.parametrize("name", ["classes", "regions"])
def test_labels_and_means_are_nnunets(oracle, write_member, tmp_path, name):
    labels, order = oracle["LABELS"][name]
    folders = [write_member(f"m{i}", {"x": p}, labels, order) for i, p in enumerate(oracle["members"](name))]
    assert ensemble_folders(folders, tmp_path / "out", save_probabilities=True, **RUN) == ("x",)
    with np.load(GOLDEN) as golden, np.load(tmp_path / "out" / "x.npz") as ours:
        label = read_label(tmp_path / "out" / "x.nii.gz")
        assert np.array_equal(label.array, golden[f"{name}-labels"])
        assert np.array_equal(ours["probabilities"], golden[f"{name}-mean"])
    assert label.geometry == geometry((4, 6, 5))
    assert json.loads((tmp_path / "out" / "dataset.json").read_text())["labels"] == labels
    left = {file.name for file in (tmp_path / "out").glob("[!.]*")}
    assert left == {"x.nii.gz", "x.npz", "dataset.json"}


def drawn(shape=(2, 3, 4, 5)):
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    return values / values.sum(0)


def test_folders_that_do_not_fit_together_are_all_told(write_member, tmp_path):
    a = write_member("A", {"x": drawn(), "y": drawn()})
    b = write_member("B", {"x": drawn(), "z": drawn()}, {"background": 0, "b": 1})
    (b / "x.npz").unlink()
    with pytest.raises(Problems) as problems:
        ensemble_folders([a, b], tmp_path / "out", **RUN)
    other, z, y, x = problems.value.lines
    assert other.startswith(f"{b}/dataset.json: has the labels background, b, not background, a")
    assert z == f"{a}: has no z.nii.gz, another folder has; predict the same images with all models"
    assert y.startswith(f"{b}: has no y.nii.gz")
    assert x == f"{b}: x has neither x.npz nor x.logits.zip; predict it with save_logits=True"
    assert not (tmp_path / "out").exists()


def test_probabilities_of_another_image_or_damaged_are_told(write_member, tmp_path):
    a = write_member("A", {"x": drawn(), "y": drawn()})
    b = write_member("B", {"x": drawn((2, 3, 4, 6)), "y": drawn()})
    (b / "y.npz").write_bytes((b / "y.npz").read_bytes()[:100])
    with pytest.raises(Problems) as problems:
        ensemble_folders([a, b], tmp_path / "out", **RUN)
    shape, damaged = problems.value.lines
    assert shape.startswith(f"ensemble of x: {b}: probabilities of x have shape (2, 3, 4, 6), expected (2, 3, 4, 5)")
    assert damaged.startswith(f"ensemble of y: {b}/y.npz: cannot be read as probabilities (File is not a zip file)")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((2, 3, 4, 5), np.int32), "it holds int32 of shape"),
        (np.zeros((3, 4, 5), np.float32), r"it holds float32 of shape \(3, 4, 5\)"),
        (np.array([{"a": 1}], dtype=object), "it holds object of shape"),
    ],
)
def test_what_is_no_probability_is_refused(write_member, tmp_path, content, message):
    a = write_member("A", {"x": drawn()})
    np.savez_compressed(a / "x.npz", probabilities=content)
    with pytest.raises(Problems, match=message):
        ensemble_folders([a, a], tmp_path / "out", **RUN)


def test_predictions_with_other_axes_are_not_averaged(write_member, tmp_path):
    a, b = write_member("A", {"x": drawn()}), write_member("B", {"x": drawn()})
    turned = sitk.DICOMOrient(sitk.ReadImage(str(b / "x.nii.gz")), "RAS")
    sitk.WriteImage(turned, str(b / "x.nii.gz"))
    with pytest.raises(NnplugError, match=r"x\.nii\.gz: stores the same region as"):
        ensemble_folders([a, b], tmp_path / "out", **RUN)
