"""Models in zips: what goes in, what comes out, and what is refused."""

from __future__ import annotations

import functools
import http.server
import json
import pickle
import threading
import zipfile

import pytest

from nnplug.errors import InvalidFile, NnplugError
from nnplug_nnunetv2_commands.archives import install

MODEL = "Dataset999_Phantom/short__nnUNetPlans__tiny"


@pytest.fixture(scope="module")
def exported(trained, tmp_path_factory):
    target = tmp_path_factory.mktemp("zip") / "model.zip"
    trained.expect("nnUNetv2_export_model_to_zip", "-d", 999, "-o", target, "-c", "tiny", "-tr", "short", "-f", 0)
    return target


def test_a_zip_holds_what_nnunet_installs(exported):
    names = set(zipfile.ZipFile(exported).namelist())
    files = ("plans.json", "dataset.json", "dataset_fingerprint.json", "fold_0/checkpoint_final.pth")
    assert {f"{MODEL}/{name}" for name in files} <= names
    assert f"{MODEL}/fold_0/validation/summary.json" in names
    assert not [name for name in names if name.endswith((".safetensors", ".nii.gz", "run.json"))]


def test_predictions_go_along_where_asked_and_missing_folds_stay_out_where_allowed(trained, tmp_path):
    words = ("-d", 999, "-o", tmp_path / "model.zip", "-tr", "short", "-c", "tiny", "2d")
    strict = trained.run("nnUNetv2_export_model_to_zip", *words)
    assert strict.returncode == 1
    assert not (tmp_path / "model.zip").exists()
    trained.expect("nnUNetv2_export_model_to_zip", *words, "--not_strict", "--exp_cv_preds")
    assert [name for name in zipfile.ZipFile(tmp_path / "model.zip").namelist() if name.endswith(".nii.gz")]


def test_the_checkpoints_and_plans_that_are_named_go_along(trained, tmp_path):
    words = ("nnUNetv2_export_model_to_zip", "-d", 999, "-o", tmp_path / "model.zip", "-tr", "short", "-c", "tiny")
    trained.expect(*words, "-f", 0, "-p", "nnUNetPlans", "-chk", "checkpoint_best.pth")
    names = zipfile.ZipFile(tmp_path / "model.zip").namelist()
    assert [name for name in names if name.endswith(".pth")] == [f"{MODEL}/fold_0/checkpoint_best.pth"]
    assert "short__other__tiny: no such model" in trained.run(*words, "-f", 0, "-p", "other").stderr


def test_an_installed_model_predicts(trained, exported, tmp_path):
    results = str(tmp_path / "results")
    done = trained.expect("nnUNetv2_install_pretrained_model_from_zip", exported, nnUNet_results=results)
    assert done.stdout.strip() == f"{results}/{MODEL}"
    flags = ("-d", 999, "-c", "tiny", "-tr", "short", "-f", 0, "--disable_tta")
    images = ("-i", trained.raw / "imagesTs", "-o", tmp_path / "out")
    trained.expect("nnUNetv2_predict", *flags, *images, nnUNet_results=results)
    assert len(list((tmp_path / "out").glob("*.nii.gz"))) == 3


def test_a_zip_does_not_replace_a_fold_that_nnplug_has_trained(copied, exported, tmp_path):
    """Its record would go on to name the old weights, with which nnplug predicts."""
    install = ("nnUNetv2_install_pretrained_model_from_zip", exported)
    copied.expect(*install)  # the same weights
    checkpoint = copied.model() / "fold_0" / "checkpoint_final.pth"
    checkpoint.write_bytes(b"other weights")
    done = copied.run(*install)
    assert done.returncode == 1
    assert "fold_0: nnplug has trained it, and the zip has other weights. Move it away" in done.stderr
    assert checkpoint.read_bytes() == b"other weights"


def test_a_model_comes_from_the_web(trained, exported, tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=exported.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        results = str(tmp_path / "results")
        command = "nnUNetv2_download_pretrained_model_by_url"
        trained.expect(command, f"{address}/model.zip", nnUNet_results=results)
        absent = trained.run(command, f"{address}/none.zip", nnUNet_results=results)
        server.shutdown()
    assert (tmp_path / "results" / MODEL / "fold_0" / "checkpoint_final.pth").is_file()
    assert absent.returncode == 1
    assert "none.zip: cannot be downloaded (HTTP Error 404" in absent.stderr
    local = trained.run(command, str(exported), nnUNet_results=results)
    assert "no web address; it begins with https://" in local.stderr


def write(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_pickled_rules_become_the_json_beside_them(call, tmp_path):
    rule = json.dumps({"functions": [], "arguments": []})
    place = f"{MODEL}/crossval_results_folds_0_1"
    members = {
        f"{MODEL}/fold_0/checkpoint_final.pth": "x",
        f"{place}/postprocessing.pkl": pickle.dumps([print]),
        f"{place}/postprocessing.json": rule,
        f"{MODEL}/alone.pkl": pickle.dumps([print]),
    }
    assert install(write(tmp_path / "a.zip", members), tmp_path / "results", call) == [MODEL]
    assert (tmp_path / "results" / place / "postprocessing.pkl").read_text() == rule
    assert not (tmp_path / "results" / MODEL / "alone.pkl").exists()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Dataset001_A/../../evil.json", "a path outside nnUNet_results"),
        ("/etc/evil.json", "a path outside nnUNet_results"),
        ("Dataset001_A/T__P__C/run.py", "which is no file of a model"),
        ("model/plans.json", "a zip of models has DATASET/TRAINER__PLANS__CONFIGURATION"),
    ],
)
def test_unsafe_zips_leave_nothing(call, tmp_path, name, line):
    archive = write(tmp_path / "a.zip", {f"{MODEL}/plans.json": "{}", name: "{}"})
    with pytest.raises(InvalidFile, match=line):
        install(archive, tmp_path / "results", call)
    assert not list((tmp_path / "results").rglob("*.json"))


def test_what_is_no_zip_is_told(call, tmp_path):
    with pytest.raises(NnplugError, match="no such file"):
        install(tmp_path / "none.zip", tmp_path, call)
    (tmp_path / "a.zip").write_text("no zip")
    with pytest.raises(InvalidFile, match="not a readable zip"):
        install(tmp_path / "a.zip", tmp_path, call)
