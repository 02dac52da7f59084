"""A stranger's package of nine kinds, installed as a user would: wheels in an environment without any checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from nnplug.contracts import read_log
from nnplug.dataset.phantom import write_phantom

ROOT = Path(__file__).parents[2]
OURS = ("core", "plugins/cpu", "plugins/nnunet", "cli")
STRANGER = Path(__file__).parent / "stranger"
PLANNED = {
    "planner": "stranger",
    "architecture": "stranger-flat",
    "trainer": "stranger-ema",
    "loss": "stranger-focal",
    "sampler": "stranger-foreground",
    "augmenter": "stranger-gentle",
    "postprocessor": "stranger-fewest",
    "normalizer": "stranger-compressed",
}
"""The kinds that plans name; the ninth, a metric, is named by `nnplug evaluate`."""
CPU = ("--device", "cpu", "--no-mirroring")
SMALL = ("--recipe", "stranger", "--set", "plan.patch_size=[16,16,16]", *CPU)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A phantom dataset of few and small cases, one of them unseen."""
    folder = tmp_path_factory.mktemp("raw") / "Dataset999_Phantom"
    return write_phantom(folder, cases=4, unseen=1, shape=(20, 24, 22)).folder


@pytest.fixture(scope="module")
def installed(tmp_path_factory, bare_environment):
    """An environment with wheels of nnplug and of the stranger, beside the third-party libraries of this one."""
    folder = tmp_path_factory.mktemp("installed")
    environment = bare_environment(folder)
    for source in (*(ROOT / name for name in OURS), STRANGER):
        environment.expect("pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder / "wheels", source)
    environment.expect("pip", "install", "-q", "--no-deps", *(folder / "wheels").glob("*.whl"))
    return environment


@pytest.fixture(scope="module")
def trained(installed, dataset, tmp_path_factory):
    """What `nnplug run` with the recipe prints, of two epochs."""
    words = ("run", dataset, "-w", tmp_path_factory.mktemp("work"), "-c", "3d_fullres", "-f", 0, "--until", "bundle")
    return json.loads(installed.expect("nnplug", *words, *SMALL, "--json"))


def run_folder(trained):
    return Path(trained["bundles"]["3d_fullres"]).parents[1] / "runs" / "stranger" / "3d_fullres" / "fold_0"


def ours(providers):
    """Kind -> name of the components of this package."""
    return {one["kind"]: one["name"] for one in providers if one["distribution"] == "nnplug-stranger"}


def test_nothing_is_imported_from_a_checkout(installed):
    code = "import nnplug, nnplug_cli, nnplug_cpu, nnplug_nnunet, nnplug_stranger as s; print(*(m.__file__ for m in "
    paths = installed.expect("python", "-c", f"{code}(nnplug, nnplug_cli, nnplug_cpu, nnplug_nnunet, s)))").split()
    assert len(paths) == 5
    assert all(Path(path).is_relative_to(installed.folder) for path in paths), paths
    found = json.loads(installed.expect("nnplug", "components", "--json"))
    assert ours(found) == PLANNED | {"metric": "stranger-recall", "recipe": "stranger"}
    assert {one["distribution"] for one in found} == {"nnplug-core", "nnplug-cpu", "nnplug-nnunet", "nnplug-stranger"}


def test_it_keeps_its_contract(installed):
    found = json.loads(installed.expect("nnplug", "plugins", "check", "nnplug-stranger", "--json"))
    assert {one["state"] for one in found} <= {"passed", "skipped"}
    components = {one["component"].partition(" ")[0] for one in found}
    assert components == {*PLANNED, "metric", "recipe", "plugin"}


def test_plans_run_and_bundle_record_it(trained):
    bundle, run = Path(trained["bundles"]["3d_fullres"]), run_folder(trained)
    for record in (bundle / "bundle.json", bundle / "plans.json", run / "run.json", run / "plans.json"):
        assert ours(json.loads(record.read_text())["providers"]) == PLANNED
    versions = json.loads((run / "run.json").read_text())["versions"]
    assert (versions["nnplug-stranger"], "nnplug-nnunet" in versions) == ("0.3.0", True)


def test_a_moving_average_is_saved(installed, dataset, trained, tmp_path):
    """Without an average, the same training saves other weights."""
    words = ("run", dataset, "-w", tmp_path, "-c", "3d_fullres", "-f", 0, "--until", "train", *SMALL)
    installed.expect("nnplug", *words, "--set", "trainer.decay=0.0")
    (plain,) = tmp_path.rglob("weights_final.safetensors")
    averaged = load_file(run_folder(trained) / plain.name)
    assert not any(averaged[key].equal(value) for key, value in load_file(plain).items())
    losses = [[line.train_loss for line in read_log(run / "log.jsonl")] for run in (plain.parent, run_folder(trained))]
    assert losses[0] == losses[1], "the weights in training go on as they are"


def test_options_of_the_recipe_are_used(trained):
    run = run_folder(trained)
    plans = json.loads((run / "plans.json").read_text())
    normalization = plans["configurations"]["3d_fullres"]["normalization"]
    assert {(one["name"], one["options"]["limit"]) for one in normalization} == {("stranger-compressed", 4.0)}
    assert len((run / "log.jsonl").read_text().splitlines()) == 2


def test_it_predicts_and_is_scored(installed, dataset, trained, tmp_path):
    bundle, labels = trained["bundles"]["3d_fullres"], dataset / "labelsTs"
    installed.expect("nnplug", "predict", "-i", dataset / "imagesTs", "-o", tmp_path / "predicted", "-m", bundle, *CPU)
    words = ("-r", labels, "-p", tmp_path / "predicted", "-o", tmp_path / "summary.json")
    installed.expect("nnplug", "evaluate", *words, "--metrics", "stranger-recall")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["metric_per_case"]
    assert all(0 <= summary["mean"][key]["stranger_recall"] <= 1 for key in ("1", "2"))
