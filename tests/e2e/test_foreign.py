"""nnplug with one foreign plugin in place of nnplug-nnunet: every step from a dataset to a prediction.

`tests/foreign` offers every kind of component and imports no other plugin. nnplug-nnunet is blocked by `-p no:nnunet`
(an import of it raises and is noted), or absent from the environment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnplug.contracts import read_log
from nnplug.dataset.phantom import write_phantom
from nnplug.io.images import read_geometry, read_label
from nnplug.registry.base_entry import Kind

SOURCE = Path(__file__).parents[1] / "foreign"
OTHERS = ("nnplug_nnunet", "nnplug_brats")
FOLDS = ("-f", "0", "-f", "1")
CPU = ("--device", "cpu", "--workers", "1")
SMALL = (
    *("--set", "trainer.rounds=2", "--set", "trainer.steps=25", "--set", "trainer.checks=1"),
    *("--set", "trainer.learning_rate=0.01", "--set", "architecture.features=8", "--set", "normalizer.top=2"),
    *("--set", "plan.patch_size=[16,16,16]"),
)
CONFIGURATIONS = ("planes", "volume")
WATCH = """
import sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {others}:
            with open({log!r}, "a") as log:
                log.write(f"{{name}} is imported by {{sys.argv}}\\n")
            raise ModuleNotFoundError(f"{{name}} must not be imported")

sys.meta_path.insert(0, Watch())
"""


@dataclass(frozen=True)
class Installed:
    """An installed `nnplug` with the foreign plugin.

    Attributes:
        python: of its environment.
        command: `nnplug` with the options of every call.
        variables: of every process.
        imports: a file in which imports of other plugins are noted.
    """

    python: str
    command: tuple[str, ...]
    variables: Mapping[str, str]
    imports: Path

    def nnplug(self, *words: object) -> str:
        """Run a command that must succeed without an import of the other plugins; gives what it printed to stdout."""
        printed = call(*self.command, *words, variables=self.variables)
        assert not self.imports.exists(), self.imports.read_text()
        return printed


def call(*words: object, variables: Mapping[str, str] = os.environ) -> str:
    """Run a command that must succeed; gives what it printed to stdout."""
    done = subprocess.run([*map(str, words)], env=dict(variables), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def install(target: Path) -> None:
    """Install the foreign distribution into a folder, as pip installs any."""
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    call(sys.executable, "-m", "pip", "install", "-q", *options, "--target", target, SOURCE)


def blocked(folder: Path) -> Installed:
    """Return this environment's command that blocks the other plugins; an import of them raises and is noted."""
    site, imports = folder / "site", folder / "imports"
    install(site)
    (site / "sitecustomize.py").write_text(WATCH.format(others=OTHERS, log=str(imports)))
    command = (str(Path(sys.executable).parent / "nnplug"), "-p", "no:nnunet", "-p", "no:brats")
    variables = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(site)}
    return Installed(sys.executable, command, variables, imports)


def absent(folder: Path) -> Installed:
    """Return the command of an environment with the packages of this one, but of nnplug's only core and cli."""
    venv.create(folder / "environment", with_pip=False, symlinks=True)
    site = next((folder / "environment" / "lib").glob("python*/site-packages"))
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        stem = path.name.removeprefix("_editable_impl_").partition("-")[0].removesuffix(".pth")
        if not stem.startswith("nnplug") or stem in ("nnplug", "nnplug_core"):
            (site / path.name).symlink_to(path)
    install(site)
    python = str(folder / "environment" / "bin" / "python")
    command = (python, "-c", "from nnplug_cli.main import main; main(prog_name='nnplug')")
    return Installed(python, command, os.environ | {"OMP_NUM_THREADS": "1"}, folder / "imports")


@dataclass(frozen=True)
class Foreign:
    """A dataset that was run with the foreign plugin.

    Attributes:
        installed: runs commands.
        dataset: phantom images.
        workspace: of the run.
        outcome: the JSON of `nnplug run`.
    """

    installed: Installed
    dataset: Path
    workspace: Path
    outcome: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.workspace / self.dataset.name

    def run_folder(self, configuration: str, fold: int = 0) -> Path:
        return self.folder / "runs" / "foreign" / configuration / f"fold_{fold}"

    def nnplug(self, *words: object) -> str:
        return self.installed.nnplug(*words)


@pytest.fixture(scope="module", params=[blocked, pytest.param(absent, marks=pytest.mark.slow)])
def foreign(request, tmp_path_factory) -> Foreign:
    """Verified, planned, preprocessed, trained, validated, selected and bundled: two configurations, two folds."""
    folder = tmp_path_factory.mktemp("foreign")
    installed: Installed = request.param(folder)
    dataset = write_phantom(folder / "Dataset999_Phantom", cases=4, unseen=2, shape=(20, 24, 22)).folder
    shutil.copytree(dataset / "imagesTs", dataset / "imagesUn")
    where = (dataset, "-w", folder / "w")
    report = json.loads(installed.nnplug("verify", dataset, "--json"))
    assert (report["cases"], report["problems"], report["warnings"], report["notices"]) == (4, [], [], [])
    installed.nnplug("split", *where, "--folds", 2)
    printed = installed.nnplug("run", *where, *FOLDS, "--no-mirroring", *CPU, *SMALL, "--json")
    return Foreign(installed, dataset, folder / "w", json.loads(printed))


@pytest.mark.parametrize("name", OTHERS)
def test_other_plugins_cannot_be_imported(foreign, name):
    """A command that imported one would fail."""
    words = (foreign.installed.python, "-c", f"import {name}")
    done = subprocess.run(words, env=dict(foreign.installed.variables), capture_output=True, text=True, check=False)
    foreign.installed.imports.unlink(missing_ok=True)
    assert f"ModuleNotFoundError: {name}" in done.stderr or f"No module named '{name}'" in done.stderr


@pytest.fixture
def predicted(foreign, tmp_path) -> Path:
    """Label maps of the unseen images, by the selected model."""
    model = foreign.folder / "model" / "selected"
    where = ("-i", foreign.dataset / "imagesTs", "-o", tmp_path / "predicted", "-m", f"foreign-shelf:{model}")
    foreign.nnplug("predict", *where, "--no-mirroring", "--device", "cpu")
    return tmp_path / "predicted"


def test_it_is_all_that_is_offered(foreign):
    found = json.loads(foreign.nnplug("components", "--json"))
    offered = {c["kind"]: c["name"] for c in found if c["distribution"] == "nnplug-foreign"}
    assert set(offered) == {*map(str, Kind), "recipe", "command"}
    others = {c["distribution"] for c in found} - {"nnplug-foreign"}
    assert others <= {
        "nnplug-core",
        "nnplug-cpu",
        "nnplug-cuda",
        "nnplug-dask",
        "nnplug-dicom",
        "nnplug-fast",
        "nnplug-hub",
        "nnplug-layouts",
        "nnplug-nnssl",
        "nnplug-readers",
        "nnplug-report",
        "nnplug-export",
        "nnplug-trackers",
        "nnplug-zarr",
        "nnplug-server",
    }
    plugins = next(line for line in foreign.nnplug("doctor").splitlines() if line.startswith("plugins"))
    assert "limits" not in plugins


def test_a_run_is_planned_trained_and_validated_with_its_components(foreign):
    plans = json.loads((foreign.folder / "plans" / "foreign.json").read_text())
    assert {line["distribution"] for line in plans["providers"]} == {"nnplug-foreign"}
    assert tuple(plans["configurations"]) == CONFIGURATIONS
    normalization = [{"name": "foreign-range", "use_mask": False, "options": {"top": 2}}] * 2
    for name in CONFIGURATIONS:
        assert plans["configurations"][name]["normalization"] == normalization
        for fold in (0, 1):
            run = foreign.run_folder(name, fold)
            files = {path.name for path in run.iterdir()}
            assert {"weights_best.safetensors", "weights_final.safetensors", "progress.png"} <= files
            assert "state.pt" not in files
            losses = [line.train_loss for line in read_log(run / "log.jsonl")]
            assert len(losses) == 2
            assert losses[1] < losses[0]
    found = [(scores["configuration"], scores["fold"]) for scores in foreign.outcome["scores"]]
    assert found == [(name, fold) for name in CONFIGURATIONS for fold in (0, 1)]


def test_its_trainer_gets_the_images_without_label_maps(foreign):
    names = sorted({path.name.removesuffix(".nii.gz")[:-5] for path in (foreign.dataset / "imagesUn").iterdir()})
    assert len(names) == 2
    for name in CONFIGURATIONS:
        store = foreign.folder / "preprocessed" / f"foreign_{name}_unlabelled"
        assert sorted(path.name for path in store.iterdir()) == names
        assert json.loads((foreign.run_folder(name) / "run.json").read_text())["unlabelled"] == names


def test_loss_sampler_and_tracker_of_the_plugin_are_used_where_they_are_named(foreign, tmp_path):
    words = ("--loss", "foreign-squares", "--sampler", "foreign-turns", "--set", "sampler.foreground=0.7")
    words += ("--tracker", "foreign-diary", "--set", f"tracker.foreign-diary.folder={tmp_path}")
    words += ("--resampler", "foreign-nearest")
    where = ("-w", tmp_path, "-c", "volume", "-f", "0")
    printed = foreign.installed.nnplug("run", foreign.dataset, *where, *words, *CPU, *SMALL)
    (record,) = tmp_path.rglob("run.json")
    used = {(one["kind"], one["name"]) for one in json.loads(record.read_text())["providers"]}
    assert ("resampler", "foreign-nearest") in used
    assert {("loss", "foreign-squares"), ("sampler", "foreign-turns")} <= used
    losses = [line.train_loss for line in read_log(record.parent / "log.jsonl")]
    assert all(0 < loss < 1 for loss in losses)
    (diary,) = tmp_path.glob("*.txt")
    first, *epochs, picture, model, last = diary.read_text().splitlines()
    assert first == "begin Dataset999_Phantom/foreign/volume/fold_0 after 0, trained by foreign-adam"
    assert epochs == [f"epoch {number}: {loss}" for number, loss in enumerate(losses)]
    assert picture.startswith("picture progress: ")
    assert (model, last) == ("model: weights_best.safetensors weights_final.safetensors", "finished")
    notes = tmp_path / "Dataset999_Phantom" / "notes.txt"  # of its reporter, which is called without a name
    assert f"report: {notes}" in printed
    assert notes.read_text() == f"volume fold_0: {len(losses)} epochs\n"


def test_a_model_is_selected_from_single_configurations_and_their_ensemble(foreign):
    selection = foreign.outcome["selection"]
    assert [entry["name"] for entry in selection["entries"]] == ["planes", "volume", "planes + volume"]
    best = max(selection["entries"], key=lambda entry: entry["dice"])
    assert (selection["best"], best["dice"] > 0.1) == (best["name"], True)
    assert selection["rule"]["provider"]["name"] == "foreign-specks"
    again = foreign.nnplug("select", foreign.dataset, "-w", foreign.workspace, *FOLDS, "--device", "cpu", "--json")
    assert json.loads(again)["entries"] == selection["entries"]


def test_predictions_hold_the_labels_of_the_dataset_and_are_scored(foreign, predicted, tmp_path):
    labels = foreign.dataset / "labelsTs"
    found = set()
    for reference in labels.iterdir():
        label_map = read_label(predicted / reference.name)
        assert label_map.geometry == read_geometry(reference)
        found |= set(np.unique(label_map.array).tolist())
    assert found <= {0, 1, 2}
    assert 1 in found
    words = ("evaluate", "-r", labels, "-p", predicted, "-o", tmp_path / "summary.json")
    foreign.nnplug(*words, "--metrics", "foreign-volume")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [summary["mean"][key]["volume_error_ml"] >= 0 for key in ("1", "2")] == [True, True]


def test_a_command_of_the_plugin_is_listed_and_runs(foreign):
    assert "foreign-volumes  volumes of labels, ml (nnplug-foreign 0.1.0)" in foreign.nnplug("--help")
    label = next((foreign.dataset / "labelsTr").iterdir())
    found = dict(line.split() for line in foreign.nnplug("foreign-volumes", label).splitlines())
    assert set(found) == {"0", "1", "2"}
    assert sum(map(float, found.values())) == pytest.approx(20 * 24 * 22 * np.prod(read_geometry(label).spacing) / 1000)


@pytest.mark.parametrize(("configuration", "executor"), [("planes", "local"), ("volume", "foreign-loop")])
def test_a_single_fold_predicts_with_either_executor(foreign, tmp_path, configuration, executor):
    where = ("-i", foreign.dataset / "imagesTs", "-o", tmp_path, "-m", foreign.run_folder(configuration))
    foreign.nnplug("predict", *where, "--no-mirroring", "--device", "cpu", "--executor", executor)
    references = sorted(path.name for path in (foreign.dataset / "labelsTs").iterdir())
    assert sorted(path.name for path in tmp_path.glob("*.nii.gz")) == references


def test_its_writer_writes_beside_the_label_maps(foreign, tmp_path):
    where = ("-i", foreign.dataset / "imagesTs", "-o", tmp_path, "-m", foreign.run_folder("planes"))
    words = ("predict", *where, "--no-mirroring", "--device", "cpu", "-ot", "nifti", "foreign_volumes")
    foreign.nnplug(*words, "--set", "writer.digits=1")
    (label, *_) = sorted(tmp_path.glob("*.nii.gz"))
    written = json.loads((tmp_path / f"{label.name.removesuffix('.nii.gz')}.volumes.json").read_text())
    label_map = read_label(label)
    millilitres = np.count_nonzero(label_map.array == 1) * np.prod(label_map.geometry.spacing) / 1000
    assert written["volume_ml"]["body"] == round(millilitres, 1)
    assert written["model"] == "Dataset999_Phantom foreign planes"


@pytest.mark.slow
def test_it_keeps_its_contract(foreign):
    assert "0 failed" in foreign.nnplug("plugins", "check", "foreign")


def test_a_training_is_measured(foreign):
    printed = foreign.nnplug("bench", foreign.run_folder("volume"), *CPU, "--iterations", 3, "--json")
    profile = json.loads(printed)
    assert profile["iterations"] == 3
    assert profile["batch"] == [2, 2, 16, 16, 16]
    assert min(profile["parts"][part] for part in ("forward", "backward", "optimiser")) > 0
    assert profile["validation"] > 0


def test_a_folder_is_converted(foreign, tmp_path):
    from nnplug.io.images import write_image, write_label

    geometry = read_geometry(foreign.dataset / "labelsTs" / "phantom_004.nii.gz")
    image = np.arange(np.prod(geometry.shape), dtype=np.int16).reshape(geometry.shape)
    for offset, patient in enumerate(("p1", "p2")):
        write_image(tmp_path / "in" / patient / "scan.nii.gz", image + offset, geometry)
        write_label(tmp_path / "in" / patient / "mask.nii.gz", 255 * (image > 5000), geometry)
    foreign.nnplug("dataset", "convert", "foreign-folders", tmp_path / "in", tmp_path / "Dataset001_Out")
    assert set(np.unique(read_label(tmp_path / "Dataset001_Out/labelsTr/p1.nii.gz").array)) == {0, 1}


@pytest.mark.slow
def test_the_demo_runs_with_its_components(foreign, tmp_path):
    short = ("--set", "trainer.rounds=1", "--set", "trainer.steps=2", "--set", "trainer.checks=1")
    told = foreign.nnplug("demo", "-o", tmp_path / "demo", *CPU, *short)
    assert "model/PLANS_volume" in told
    assert (tmp_path / "demo" / "overlay.png").is_file()
    assert len(list((tmp_path / "demo" / "predictions").glob("*.nii.gz"))) == 4
