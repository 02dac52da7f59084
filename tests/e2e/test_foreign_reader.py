"""A reader of another plugin, for npy volumes with a JSON beside, from verification to scored predictions.

The same dataset is run as NIfTI and as npy: with one reader or the other the model predicts the same labels.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug import Plugins
from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_label, read_voxels
from nnplug.io.readers import Readers
from nnplug_cli.main import main

SOURCE = Path(__file__).parents[1] / "foreign" / "src" / "nnplug_foreign"
PLUGIN = """
    import importlib.util, sys
    spec = importlib.util.spec_from_file_location("lab_npy_reader", {path!r})
    module = sys.modules["lab_npy_reader"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    @hookimpl
    def nnplug_readers():
        yield ReaderComponent("lab-npy", "lab_npy_reader:NpyReader", "npy", endings=(".npy",), has_sidecars=True)
"""
TINY = {
    "planner.base_features": 4,
    "planner.max_features": 8,
    "plan.patch_size": "[16,16,16]",
    "plan.batch_size": 2,
    "trainer.epochs": 1,
    "trainer.iterations_per_epoch": 2,
    "trainer.val_iterations_per_epoch": 1,
}


@pytest.fixture
def nnplug(install):
    """`nnplug(word, ..)` runs the command with the plugin that offers the reader; returns what it prints."""
    install("nnplug-lab", "lab", PLUGIN.format(path=str(SOURCE / "reader.py")))

    def run(*words, code=0):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == code, done.output
        return done

    return run


def as_npy(nifti: Path, target: Path) -> Path:
    """Write the volumes of a dataset as npy with a JSON beside each, as the lab stores them."""
    for file in nifti.rglob("*.nii.gz"):
        voxels, geometry = read_voxels(file)
        path = target / file.relative_to(nifti).with_name(file.name.replace(".nii.gz", ".npy"))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, voxels[0])
        place = {"spacing": list(geometry.spacing), "origin": list(geometry.origin)}
        path.with_suffix(".json").write_text(json.dumps(place))
    description = json.loads((nifti / "dataset.json").read_text())
    (target / "dataset.json").write_text(json.dumps({**description, "file_ending": ".npy"}))
    return target


@pytest.fixture
def datasets(tmp_path) -> tuple[Path, Path]:
    nifti = write_phantom(tmp_path / "Dataset900_Nifti", cases=5, unseen=1, shape=(20, 24, 22)).folder
    return nifti, as_npy(nifti, tmp_path / "Dataset901_Npy")


def test_npy_volumes_go_through_every_step(nnplug, datasets, tmp_path):
    nifti, npy = datasets
    report = json.loads(nnplug("verify", npy, "--json").stdout)
    assert (report["cases"], report["problems"], report["warnings"]) == (5, [], [])
    settings = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    where = ["-w", tmp_path / "work", "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--json"]
    bundle = Path(json.loads(nnplug("run", npy, *where, *settings).stdout)["bundles"]["3d_fullres"])

    run = tmp_path / "work/Dataset901_Npy/runs/nnunet/3d_fullres/fold_0"
    assert sorted(p.suffix for p in (run / "validation").glob("phantom*")) == [".json", ".npy"]
    for record in (run / "run.json", bundle / "bundle.json"):
        readers = [p for p in json.loads(record.read_text())["providers"] if p["kind"] == "reader"]
        assert [(p["name"], p["distribution"]) for p in readers] == [("lab-npy", "nnplug-lab")]

    predict = ["predict", "-m", bundle, "--device", "cpu", "--no-mirroring"]
    nnplug(*predict, "-i", npy / "imagesTs", "-o", tmp_path / "npy", "--save-logits")
    nnplug(*predict, "-i", nifti / "imagesTs", "-o", tmp_path / "nifti")
    lab = Readers.of(Plugins().registry)
    ours, theirs = read_label(tmp_path / "npy/phantom_005.npy", lab), read_label(tmp_path / "nifti/phantom_005.nii.gz")
    assert np.array_equal(ours.array, theirs.array)
    assert len(np.unique(ours.array)) > 1
    assert ours.geometry.spacing == pytest.approx(theirs.geometry.spacing)

    score_and_draw(nnplug, npy, nifti, tmp_path)

    insisted = (*predict, "-i", nifti / "imagesTs", "-o", tmp_path / "turned", "--reader")
    assert "holds no images called CASE_0000.npy" in nnplug(*insisted, "lab-npy", code=1).stderr
    nnplug(*insisted, "simpleitk-reoriented")
    assert json.loads((tmp_path / "turned/dataset.json").read_text())["reader"] == "simpleitk-reoriented"
    nnplug("evaluate", "-r", nifti / "labelsTs", "-p", tmp_path / "turned", "-o", tmp_path / "turned.json")
    turned = read_label(tmp_path / "turned/phantom_005.nii.gz")
    assert turned.geometry == theirs.geometry
    assert turned.array.shape == theirs.array.shape


def score_and_draw(nnplug, npy: Path, nifti: Path, folder: Path) -> None:
    """Score, postprocess, average and draw the predictions of both formats: the scores are the same."""
    for name, dataset in (("npy", npy), ("nifti", nifti)):
        compared = ("-r", dataset / "labelsTs", "-p", folder / name)
        nnplug("evaluate", *compared, "-o", folder / f"{name}.json")
        rule = folder / f"{name}-rule.json"
        nnplug("postprocess", "fit", *compared, "--dataset-json", folder / name / "dataset.json", "-o", rule)
        nnplug("postprocess", "apply", "-i", folder / name, "-o", folder / f"{name}-post", "--rule", rule)
        nnplug("overlay", "-i", dataset / "imagesTs", "-l", folder / name, "-o", folder / f"{name}-drawn")
        assert (folder / f"{name}-drawn/phantom_005.png").is_file()
    first, second = (json.loads((folder / f"{name}.json").read_text())["mean"] for name in ("npy", "nifti"))
    assert first == second
    files = {path.name for path in (folder / "npy-post").glob("phantom*")}
    assert files == {"phantom_005.npy", "phantom_005.json"}
    nnplug("ensemble", "-i", folder / "npy", "-i", folder / "npy", "-o", folder / "mean")
    again = Readers.of(Plugins().registry)
    mean = read_label(folder / "mean/phantom_005.npy", again)
    assert np.array_equal(mean.array, read_label(folder / "npy/phantom_005.npy", again).array)


def test_a_missing_reader_is_said_where_its_files_are_met(nnplug, datasets, tmp_path):
    _, npy = datasets
    done = nnplug("-p", "no:lab", "verify", npy, code=1)
    assert "'file_ending' is '.npy'; nnplug reads .nii.gz" in done.stderr
    assert "pip install 'nnplug[readers]'" in done.stderr
    (npy / "dataset.json").write_text(
        json.dumps({**json.loads((npy / "dataset.json").read_text()), "reader": "lab-npz"})
    )
    assert "the reader is 'lab-npz', but no installed reader of '.npy' files" in nnplug("verify", npy, code=1).stderr


def test_volumes_without_their_json_are_named(nnplug, datasets):
    _, npy = datasets
    (npy / "imagesTr/phantom_001_0000.json").unlink()
    shutil.copy(npy / "imagesTr/phantom_002_0000.json", npy / "imagesTr/stranger.txt")
    done = nnplug("verify", npy, "--json", code=1)
    report = json.loads(done.stdout)
    (problem,) = report["problems"]
    assert "phantom_001_0000.json: holds no spacing and origin of phantom_001_0000.npy" in problem
    assert "imagesTr: stranger.txt: no images, left out" in report["warnings"][-1]
