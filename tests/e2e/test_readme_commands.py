"""README's commands are run as they are printed, in an environment without a checkout.

Two things differ from what README prints: the dataset is a small phantom, and `nnplug run` gets `SHORT`, for the
trainings that README means take days. The demo and the suite (`make demo`, `make test`) have tests of
their own; the recipe for a plugin is in `test_readme.py`.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnplug.dataset.phantom import write_phantom
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug_cli.main import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SHORT = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8"),
    *("--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=2"),
    *("--set", "trainer.val_iterations_per_epoch=1"),
)
DATASET = "Dataset123_Liver"

RUN = f"work/{DATASET}/runs/nnunet/3d_fullres/fold_0"
MODEL = f"work/{DATASET}/model/nnunet_3d_fullres"
COMPLETE = (
    "nnplug show trainer nnunet",
    "nnplug doctor",
    "nnplug status",
    "nnplug dataset convert msd Task03_Liver Dataset003_Liver",
)
QUOTED = {
    **dict(zip(COMPLETE, COMPLETE, strict=True)),
    "nnplug train DATASET": f"nnplug train {DATASET}",
    "nnplug split": f"nnplug split {DATASET}",
    "nnplug bench RUN": f"nnplug bench {RUN}",
    "nnplug model import-nnunet FOLDER -o BUNDLE": "nnplug model import-nnunet exported -o imported.zip",
}
"""Command between README's lines -> the same with README's placeholders filled in."""
STEPS = ("verify", "fingerprint", "plan", "preprocess", "train")
"""Steps of `nnplug run`, of which README says that each is a command."""
OPTIONS = ("--set trainer.epochs=250", "--loss dice-topk", "--set plan.batch_size=4", "--recipe nnunet-resenc-l")
"""What README says instead of a class of nnU-Net; a plan is made with each."""


def block():
    """README's commands from the installation to the selected model."""
    (found,) = (one for one in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) if "nnplug verify" in one)
    return found


def quoted():
    """The commands of nnplug between README's lines, in backticks."""
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    elsewhere = ("nnplug plugins", "nnplug serve")  # commands of other pages, which have tests of their own
    return {one for one in re.findall(r"`(nnplug [^`]+)`", prose) if not one.startswith(elsewhere)}


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A folder with README's dataset, new images and their references, and a task of the decathlon."""
    folder = tmp_path_factory.mktemp("readme")
    write_phantom(folder / DATASET, cases=5, unseen=2, shape=(20, 24, 22))
    (folder / DATASET / "imagesTs").rename(folder / "NEW_IMAGES")
    (folder / DATASET / "labelsTs").rename(folder / "LABELS")
    Plugins().registry.create(Kind.CONVERTER, "msd").example(folder / "Task03_Liver")
    return folder


@pytest.fixture(scope="module")
def shell(raw, tmp_path_factory, bare_environment):
    """Run lines of a shell in that folder, which also has links to the distributions that `pip install` names."""
    environment = bare_environment(tmp_path_factory.mktemp("installed"))
    for name in ("core", "plugins", "cli"):
        (raw / name).symlink_to(ROOT / name)
    short = f'nnplug() {{ case $1 in run) command nnplug "$@" {shlex.join(SHORT)};; *) command nnplug "$@";; esac; }}'
    head = f"set -euo pipefail\nexport NNPLUG_WORKSPACE=work\n{short}\n"
    return lambda lines: environment.expect("bash", "-c", head + lines, cwd=raw)


@pytest.fixture(scope="module")
def printed(shell):
    """What README's block prints on stdout, from `pip install` to `nnplug select`."""
    return shell(block())


@pytest.mark.slow
def test_from_the_installation_to_the_selected_model(raw, printed):
    assert f"{DATASET}: 5 cases read, 0 problems, 0 warnings" in printed
    assert printed.count("model: ") == 3, "one of all, one of 3d_fullres fold 0, and the selected one again"
    new = {path.name.replace("_0000", "") for path in (raw / "NEW_IMAGES").glob("*_0000.nii.gz")}
    assert {path.name for path in (raw / "OUT").glob("*.nii.gz")} == new
    summary = json.loads((raw / "summary.json").read_text())
    assert len(summary["metric_per_case"]) == len(new) == 2
    selected = json.loads((raw / "work" / DATASET / "model" / "selected" / "bundle.json").read_text())
    assert {"nnplug-nnunet"} <= {one["distribution"] for one in selected["providers"]}


@pytest.mark.slow
def test_the_commands_between_the_lines(raw, shell, printed):
    shell(f"nnplug model export-nnunet {MODEL} -o exported")
    outputs = {one: shell(command) for one, command in QUOTED.items()}
    assert "trainer.loss" in outputs["nnplug show trainer nnunet"]
    assert json.loads((raw / "Dataset003_Liver" / "dataset.json").read_text())["file_ending"]
    assert "mean of 20 iterations" in outputs["nnplug bench RUN"]
    assert (raw / "imported.zip").is_file()
    assert "validated on" in outputs["nnplug split"]
    assert "  validated  " in outputs["nnplug status"]


@pytest.mark.slow
def test_the_steps_of_run_are_commands(raw, shell, printed):
    """Those that plan get `SHORT` too; training takes it from the plans."""
    for step in STEPS:
        options = f"-w steps {shlex.join(SHORT)}" if step == "plan" else "" if step == "verify" else "-w steps"
        shell(f"command nnplug {step} {DATASET} {options}" + (" -c 3d_fullres -f 0" if step == "train" else ""))
    assert list((raw / "steps").rglob("weights_final.safetensors"))


def test_every_quoted_command_is_run_here():
    assert quoted() == set(QUOTED)
    assert all(f"`{step}`" in README for step in STEPS)
    assert all(f"`{option}`" in README for option in OPTIONS)


@pytest.mark.parametrize("option", OPTIONS)
def test_what_nnunet_needs_a_class_for_is_an_option(option, raw, tmp_path):
    place = [str(raw / DATASET), "-w", str(tmp_path)]
    for words in (["fingerprint", *place], ["plan", *place, *shlex.split(option)]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
    (plans,) = (json.loads(path.read_text()) for path in tmp_path.rglob("plans/*.json"))
    assert plans["choices"]["trainer"]["name"] == "nnunet"
    value = option.rpartition("=")[2].split()[-1]
    assert value in json.dumps(plans)


@pytest.mark.parametrize("command", ["show trainer nnunet", "doctor", f"verify {DATASET}", f"split {DATASET} -w work"])
def test_quick_commands_work_as_printed(command, raw, monkeypatch):
    monkeypatch.chdir(raw)
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0, result.output


def test_make_demo_runs_the_demo():
    """The demo itself is run by tests/cli/test_demo.py, with a shorter training."""
    words = ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/ready", "demo"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ".venv/bin/nnplug demo --output nnplug-demo"
