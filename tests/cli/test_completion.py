"""Shells complete commands, options, and the names of components, configurations and plans."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from nnplug_cli.commands.completion import VARIABLE
from nnplug_cli.main import main

DATASET = "Dataset001_A"


@pytest.fixture
def complete(tmp_path, monkeypatch):
    """`complete(WORDS.., BEGINNING)`: what a shell would offer, in a folder with plans of one dataset."""
    plans = tmp_path / "nnplug-work" / DATASET / "plans"
    plans.mkdir(parents=True)
    (plans / "mine.json").write_text(json.dumps({"configurations": {"3d_fullres": {}, "2d": {}}}))
    (plans / "broken.json").write_text("[")
    (tmp_path / DATASET).mkdir()
    (tmp_path / DATASET / "dataset.json").write_text("{}")
    monkeypatch.chdir(tmp_path)

    def offered(*words):
        found = ShellComplete(main, {}, "nnplug", VARIABLE).get_completions(list(words[:-1]), words[-1])
        return [item.value for item in found]

    return offered


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("run", "--planner", "nnunet-resenc-"), ["nnunet-resenc-l", "nnunet-resenc-m", "nnunet-resenc-xl"]),
        (("run", "--recipe", "nnunet-resenc-m"), ["nnunet-resenc-m"]),
        (("train", "--tracker", "no-such"), []),
        (("show", "trainer", "nnun"), ["nnunet"]),
        (("dataset", "convert", "ms"), ["msd"]),
        (("train", DATASET, "-c", "3"), ["3d_fullres"]),
        (("train", "-c", ""), ["3d_fullres", "2d"]),
        (("train", "Dataset002_Other", "-c", "3"), ["3d_fullres"]),
        (("train", DATASET, "--name", ""), ["broken", "mine"]),
        (("train", "-w", "elsewhere", "-c", ""), []),
        (("postproc",), ["postprocess"]),
    ],
)
def test_names_are_offered(complete, words, offered):
    assert complete(*words) == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_the_installed_command():
    command = Path(sys.executable).with_name("nnplug")
    script = f"""
        PATH={command.parent}:$PATH
        eval "$(nnplug completion bash)"
        COMP_WORDS=(nnplug run --trainer nnun) COMP_CWORD=3
        _nnplug_completion nnplug
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("nnunet\n", "")


ZSH = """
    autoload -Uz compinit; compinit -u -D
    eval "$(nnplug completion zsh)"
    compadd() { print -rl -- $completions }
    _describe() { print -rl -- $completions_with_descriptions }
    words=(nnplug run --trainer nnun) CURRENT=4
    _nnplug_completion
"""
FISH = """
    nnplug completion fish | source
    complete --do-complete "nnplug run --trainer nnun"
    complete --do-complete "nnplug train -c 3"
"""


def in_shell(shell, script, folder, *options):
    """Return what a script prints in a real shell whose PATH begins with the installed command."""
    if shutil.which(shell) is None:
        pytest.skip(f"needs the Debian package {shell}")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(folder)}
    command = [shell, *options, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=environment)
    assert done.stderr == ""
    return done.stdout


def test_zsh_completes_the_installed_command(tmp_path):
    (line,) = in_shell("zsh", ZSH, tmp_path, "-f").splitlines()
    assert line.startswith("nnunet:SGD with poly schedule")


def test_fish_completes_the_installed_command(complete, tmp_path):
    trainer, configuration = in_shell("fish", FISH, tmp_path).splitlines()
    assert trainer.startswith("nnunet\tSGD with poly schedule")
    assert configuration == "3d_fullres"


@pytest.mark.parametrize(("shell", "words"), [("zsh", "compdef"), ("fish", "complete --no-files --command nnplug")])
def test_other_shells_get_their_script(shell, words):
    assert words in CliRunner().invoke(main, ["completion", shell]).stdout
