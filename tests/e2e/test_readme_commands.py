"""README's commands are run as they are printed, in an environment without a checkout.

Three things differ from what README prints: pip finds wheels in a folder instead of on PyPI and other libraries are
there already, the dataset is a small phantom, and `nnplug run` and `nnplug demo` get `SHORT`, for the trainings that
README means take minutes to days. The suite (`make demo`, `make test`) has tests of its own; the recipe for a plugin is
in `test_readme.py`.
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
from nnplug_cli.main import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SHORT = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8"),
    *("--set", "trainer.epochs=1", "--set", "trainer.iterations_per_epoch=2"),
    *("--set", "trainer.val_iterations_per_epoch=1"),
)
DATASET = "Dataset123_Liver"

COMPLETE = ("nnplug show trainer nnunet", "nnplug doctor", "nnplug status work")
QUOTED = dict(zip(COMPLETE, COMPLETE, strict=True))
"""Command between README's lines -> the same with README's placeholders filled in."""
STEPS = ("verify", "fingerprint", "plan", "preprocess", "train", "select")
"""Steps of `nnplug run`, of which README says that each is a command."""
OPTIONS = ("--set trainer.epochs=250", "--loss dice-topk", "--set plan.batch_size=4", "--recipe nnunet-resenc-l")
"""What README says instead of a class of nnU-Net; a plan is made with each."""


PIP = 'pip() { command pip "$@" nnplug-core nnplug-cpu nnplug-nnunet; }'
"""pip with what nnplug needs, since dependencies are not looked up here."""
OURS = ("core", "cli", "plugins/cpu", "plugins/nnunet")


def commands():
    """README's commands from the installation to the scores."""
    found = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return "".join(one for one in found if "pip install nnplug\n" in one or "nnplug verify" in one)


def quoted():
    """The commands of nnplug between README's lines, in backticks."""
    prose = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
    elsewhere = ("nnplug dataset convert",)  # a command of getting started, whose pages have tests of their own
    return set(re.findall(r"`(nnplug [^`]+)`", prose)) - set(elsewhere)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A folder with README's dataset, new images and their references."""
    folder = tmp_path_factory.mktemp("readme")
    write_phantom(folder / DATASET, cases=5, unseen=2, shape=(20, 24, 22))
    (folder / DATASET / "imagesTs").rename(folder / "NEW_IMAGES")
    (folder / DATASET / "labelsTs").rename(folder / "LABELS")
    return folder


@pytest.fixture(scope="module")
def shell(raw, tmp_path_factory, new_environment, bare_environment):
    """Run lines of a shell in that folder, in an environment for which pip finds nnplug's wheels."""
    folder = tmp_path_factory.mktemp("installed")
    builder, environment = new_environment(folder / "builder"), bare_environment(folder)
    for name in OURS:
        builder.expect("pip", "wheel", "-q", "--no-build-isolation", "-w", raw / "dist", ROOT / name)
    short = f'case $1 in run|demo) command nnplug "$@" {shlex.join(SHORT)};; *) command nnplug "$@";; esac'
    head = f"set -euo pipefail\nexport PIP_FIND_LINKS=dist\n{PIP}\nnnplug() {{ {short}; }}\n"
    return lambda lines: environment.expect("bash", "-c", head + lines, cwd=raw)


@pytest.fixture(scope="module")
def printed(shell):
    """What README's commands print on stdout, from `pip install` to `nnplug evaluate`."""
    return shell(commands())


@pytest.mark.slow
def test_from_the_installation_to_the_scores(raw, printed):
    assert (raw / "nnplug-demo" / "overlay.png").is_file()
    assert f"{DATASET}: 5 cases read, 0 problems, 0 warnings" in printed
    new = {path.name.replace("_0000", "") for path in (raw / "NEW_IMAGES").glob("*_0000.nii.gz")}
    assert {path.name for path in (raw / "OUT").glob("*.nii.gz")} == new
    summary = json.loads((raw / "summary.json").read_text())
    assert len(summary["metric_per_case"]) == len(new) == 2
    selected = json.loads((raw / "work" / DATASET / "model" / "selected" / "bundle.json").read_text())
    assert {"nnplug-nnunet"} <= {one["distribution"] for one in selected["providers"]}


@pytest.mark.slow
def test_the_commands_between_the_lines(shell, printed):
    outputs = {one: shell(command) for one, command in QUOTED.items()}
    assert "trainer.loss" in outputs["nnplug show trainer nnunet"]
    assert "  validated  " in outputs["nnplug status work"]


@pytest.mark.slow
def test_the_line_for_a_folder_of_wheels(raw, tmp_path, bare_environment):
    assert "`pip install --find-links dist nnplug`" in README
    environment = bare_environment(tmp_path)
    environment.expect("bash", "-c", f"{PIP}\npip install --find-links dist nnplug", cwd=raw)
    assert "nnplug" in environment.expect("nnplug", "--version")


@pytest.mark.slow
def test_the_steps_of_run_are_commands(raw, shell, printed):
    """Those that plan get `SHORT` too; training takes it from the plans."""
    for step in STEPS:
        options = f"-w steps {shlex.join(SHORT)}" if step == "plan" else "" if step == "verify" else "-w steps"
        shell(f"command nnplug {step} {DATASET} {options}")
    assert list((raw / "steps").rglob("weights_final.safetensors"))
    assert (raw / "steps" / DATASET / "model" / "selected").is_dir()


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


@pytest.mark.parametrize("command", ["show trainer nnunet", "doctor", f"verify {DATASET}"])
def test_quick_commands_work_as_printed(command, raw, monkeypatch):
    monkeypatch.chdir(raw)
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0, result.output


def test_make_demo_runs_the_demo():
    """The demo itself is run by tests/cli/test_demo.py, with a shorter training."""
    words = ["make", "--dry-run", "--no-print-directory", "--old-file=.venv/ready", "demo"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ".venv/bin/nnplug demo --output nnplug-demo"
