"""No command destroys a file of its user: each is refused with exit code 1, and every byte stays."""

from __future__ import annotations

import json
import shutil
import zipfile

import numpy as np
import pytest
import SimpleITK
from click.testing import CliRunner

from nnplug.io.images import Geometry, write_label
from nnplug.runtime.output_log import LOG
from nnplug_cli.main import main

SHAPE = (2, 3, 4)
GEOMETRY = Geometry(SHAPE, (1.0,) * 3, (1.0,) * 3, (0.0,) * 3, tuple(np.eye(3).ravel()))
DATASET = {
    "channel_names": {"0": "x"},
    "labels": {"background": 0, "a": 1},
    "numTraining": 1,
    "file_ending": ".nii.gz",
    "source_labels": {"0": 0, "1": 4},
}


@pytest.fixture
def run():
    def run(*words, code=0):
        result = CliRunner().invoke(main, [str(word) for word in words])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def lost(run, tmp_path):
    """`lost(path, words, *command)`: the command is refused for the file; every file of the test stays as it was."""

    def refused(path, words, *command):
        before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        result = run(*command, code=1)
        assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
        found = [line for line in result.stderr.splitlines() if line.startswith(f"error: {path}: ")]
        assert found, result.stderr
        assert words in found[0]
        assert "-o" in found[0]

    return refused


@pytest.fixture
def folder(tmp_path):
    """Predictions with stored probabilities, references and an image of one case, and a `dataset.json`."""
    label = np.zeros(SHAPE, np.uint8)
    label[0, :2] = 1
    for name in ("predictions", "references", "images"):
        (tmp_path / name).mkdir()
        write_label(tmp_path / name / ("x_0000.nii.gz" if name == "images" else "x.nii.gz"), label, GEOMETRY)
    one = np.stack([1 - label, label]).astype(np.float32)
    np.savez_compressed(tmp_path / "predictions" / "x.npz", probabilities=one)
    for name in ("predictions", "references"):
        (tmp_path / name / "dataset.json").write_text(json.dumps(DATASET))
    return tmp_path


def commands(folder):
    """By name the words of a command up to `-o`, and the file that it writes into a folder, or "" for a file."""
    predictions, references = folder / "predictions", folder / "references"
    scored = ("-r", references, "-p", predictions, "--dataset-json", references / "dataset.json")
    return {
        "ensemble": (("ensemble", "-i", predictions, predictions), "x.nii.gz"),
        "apply": (("postprocess", "apply", "-i", predictions, "--rule", folder / "rule.json"), "x.nii.gz"),
        "overlay": (("overlay", "-i", folder / "images", "-l", references), "x.png"),
        "evaluate": (("evaluate", *scored), ""),
        "fit": (("postprocess", "fit", *scored), ""),
    }


@pytest.mark.parametrize("name", ["ensemble", "apply", "overlay", "evaluate", "fit"])
def test_a_file_that_nnplug_did_not_write_needs_replace(run, lost, folder, name):
    words, file = commands(folder)[name]
    run(*commands(folder)["fit"][0], "-o", folder / "rule.json")
    out = folder / "out"
    out.mkdir()
    file = file or "summary.txt"
    target = out if commands(folder)[name][1] else out / file
    (out / file).write_text("mine")
    lost(out / file, "nnplug did not write it", *words, "-o", target)
    run(*words, "-o", target, "--replace")
    run(*words, "-o", target)  # now it is nnplug's
    (out / file).write_text("by hand")
    lost(out / file, "has changed since nnplug wrote it", *words, "-o", target)


@pytest.mark.parametrize("name", ["ensemble", "apply"])
@pytest.mark.parametrize("linked", [False, True])
def test_results_do_not_go_over_what_they_are_made_of(run, lost, folder, name, linked):
    run(*commands(folder)["fit"][0], "-o", folder / "rule.json")
    target = folder / "link" if linked else folder / "predictions"
    if linked:
        target.symlink_to(folder / "predictions")
    lost(target / "x.nii.gz", "read here", *commands(folder)[name][0], "-o", target, "--replace")


@pytest.mark.parametrize("name", ["evaluate", "fit"])
@pytest.mark.parametrize("place", ["references/x.nii.gz", "predictions/x.nii.gz", "references/dataset.json"])
def test_summaries_and_rules_do_not_go_over_label_maps_and_descriptions(lost, folder, name, place):
    lost(folder / place, "is read here", *commands(folder)[name][0], "-o", folder / place, "--replace")


def test_a_summary_never_replaces_the_description_of_a_dataset(lost, folder):
    other = folder / "other" / "dataset.json"
    other.parent.mkdir()
    other.write_text(json.dumps(DATASET))
    lost(other, "describes a dataset", *commands(folder)["evaluate"][0], "-o", other, "--replace")


def test_an_ensemble_goes_not_where_another_dataset_is(lost, folder):
    (folder / "out").mkdir()
    (folder / "out" / "dataset.json").write_text(json.dumps({**DATASET, "labels": {"background": 0, "liver": 1}}))
    words = commands(folder)["ensemble"][0]
    lost(folder / "out" / "dataset.json", "belongs to another dataset", *words, "-o", folder / "out", "--replace")


def test_values_are_not_restored_in_place(run, folder):
    before = (folder / "predictions" / "x.nii.gz").read_bytes()
    result = run("dataset", "restore", folder / "predictions", folder / "predictions", "--replace", code=1)
    assert "x.nii.gz: is read here" in result.stderr
    assert (folder / "predictions" / "x.nii.gz").read_bytes() == before
    (folder / "out").mkdir()
    (folder / "out" / "x.nii.gz").write_text("mine")
    words = ("dataset", "restore", folder / "predictions", folder / "out")
    assert "nnplug did not write it" in run(*words, code=1).stderr
    run(*words, "--replace")


def test_pictures_do_not_go_over_images_that_are_pictures(lost, folder):
    for name in ("pictures", "maps"):
        (folder / name).mkdir()
        SimpleITK.WriteImage(SimpleITK.Image(6, 5, SimpleITK.sitkUInt8), str(folder / name / "x.png"))
    for place in ("pictures", "maps"):
        words = ("overlay", "-i", folder / "pictures", "-l", folder / "maps", "-o", folder / place, "--replace")
        lost(folder / place / "x.png", "is read here", *words)


def test_a_destination_that_is_a_link_is_no_free_place(run, tmp_path):
    from nnplug_nnunet.converters import Pairs

    Pairs().example(tmp_path / "source")
    (tmp_path / "Dataset001_A").symlink_to(tmp_path / "gone")
    result = run("dataset", "convert", "pairs", tmp_path / "source", tmp_path / "Dataset001_A", code=1)
    assert "Dataset001_A: exists already" in result.stderr
    assert not (tmp_path / "gone").exists()


@pytest.fixture
def bundle(run, shared, tmp_path):
    run("model", "import-nnunet", shared / "reference" / "models" / "em" / "model", "-o", tmp_path / "em.zip")
    return tmp_path / "em.zip"


def test_an_image_is_not_predicted_over(lost, bundle, shared, tmp_path):
    (tmp_path / "x").mkdir()
    shutil.copy(shared / "reference/models/em/images/em_00_0000.png", tmp_path / "x" / "scan.png")
    words = ("predict", "--device", "cpu", "-i", tmp_path / "x" / "scan.png", "-m", bundle)
    lost(tmp_path / "x" / "scan.png", "is read here", *words, "-o", tmp_path / "x", "--replace")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "scan.png").write_text("mine")
    lost(tmp_path / "out" / "scan.png", "nnplug did not write it", *words, "-o", tmp_path / "out")
    assert not (tmp_path / "out" / LOG).exists()


def test_bundles_replace_nothing_but_bundles(run, lost, bundle, shared, tmp_path):
    model = shared / "reference" / "models" / "em" / "model"
    for words in (("import-nnunet", model), ("import", bundle)):
        run("model", *words, "-o", tmp_path / "model")
    (tmp_path / "model" / "notes.txt").write_text("mine")
    for words in (("import-nnunet", model), ("import", bundle)):
        file = tmp_path / "model" / "notes.txt"
        lost(file, "is no file that nnplug wrote into the bundle", "model", *words, "-o", tmp_path / "model")
    lost(tmp_path / "model", "which is read here", "model", "import", tmp_path / "model", "-o", tmp_path / "model")
    inside = tmp_path / "model" / "nnunet"
    lost(inside, "lies in the bundle", "model", "export-nnunet", tmp_path / "model", "-o", inside)
    run("model", "import", bundle, "-o", tmp_path / "model", "--replace")
    assert not (tmp_path / "model" / "notes.txt").exists()


def test_a_zip_of_something_else_is_not_replaced(run, lost, shared, tmp_path):
    words = ("model", "import-nnunet", shared / "reference" / "models" / "em" / "model", "-o", tmp_path / "data.zip")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.writestr("scan.txt", "mine")
    lost(tmp_path / "data.zip", "is there and is no bundle", *words)
    run(*words, "--replace")
    run(*words)


def test_a_folder_with_some_other_bundle_json_is_no_bundle(run, shared, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "bundle.json").write_text("{}")
    model = shared / "reference" / "models" / "em" / "model"
    result = run("model", "import-nnunet", model, "-o", tmp_path / "app", "--replace", code=1)
    assert "is there and is no bundle" in result.stderr
    assert (tmp_path / "app" / "bundle.json").read_text() == "{}"
