"""`--executor NAME --set executor.KEY=VALUE` on the commands that run jobs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from nnplug_cli.main import main

COUNTING = """
    from dataclasses import dataclass
    from pathlib import Path
    from nnplug.runtime.executor import LocalExecutor

    @hookimpl
    def nnplug_executors():
        return [ExecutorComponent("counting", "fake_nnplug_counting:Counting", "one worker that notes its calls")]

    @dataclass(frozen=True)
    class Counting(LocalExecutor):
        log: str = ""

        def map(self, function, items, *, stage, name=str):
            self.note(f"{stage} of {len(items)}")
            return super().map(function, items, stage=stage, name=name)

        def close(self):
            self.note("closed")

        def note(self, line):
            with Path(self.log).open("a") as log:
                log.write(line + "\\n")
"""


def run(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)])


@pytest.fixture
def dataset(write_dataset):
    random = np.random.default_rng(0)
    label = np.zeros((8, 9, 10), np.uint8)
    label[2:6, 2:6, 2:4], label[2:6, 2:6, 4:6] = 1, 2
    return write_dataset({name: (random.normal(50, 9, (1, *label.shape)).astype(np.float32), label) for name in "ab"})


def test_a_plugins_executor_runs_the_jobs_and_is_closed(dataset, install, tmp_path):
    install("nnplug-counting", "counting", COUNTING)
    chosen = ("--executor", "counting", "--set", f"executor.log={tmp_path / 'log'}")
    for command in ("verify", "fingerprint"):
        words = () if command == "verify" else ("-w", tmp_path / "w")
        result = run(command, dataset, *words, *chosen)
        assert result.exit_code == 0, result.output
    assert (tmp_path / "log").read_text().splitlines() == ["verify of 2", "closed", "fingerprint of 2", "closed"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--executor", "locla"), "no executor is called 'locla'. Did you mean 'local'?"),
        (("--set", "executor.adress=x"), "executor 'local' has no option 'adress'. It has workers."),
        (("--set", "executor.workers=many"), "executor 'local': option 'workers' is 'many': expected `int | null`"),
    ],
)
def test_wrong_executors_are_one_line(dataset, words, message):
    result = run("verify", dataset, *words)
    assert result.exit_code == 1
    assert message.replace("`", "'") in result.stderr


def test_options_of_other_kinds_are_refused(dataset):
    result = run("verify", dataset, "--set", "trainer.epochs=1")
    assert result.exit_code == 2
    assert "--set trainer.KEY has no use here; this command takes executor.KEY=VALUE" in result.stderr


def test_plans_take_no_executor(dataset, tmp_path):
    assert run("fingerprint", dataset, "-w", tmp_path / "w").exit_code == 0
    result = run("plan", dataset, "-w", tmp_path / "w", "--set", "executor.workers=2")
    assert result.exit_code == 1
    assert "executor.workers: plans name no executor. Give it to the command that uses it." in result.stderr


def test_a_recipe_that_names_an_executor_is_refused(install):
    body = "@hookimpl\ndef nnplug_recipes(): yield Recipe('r', {'executor': 'local'}, '')"
    install("nnplug-bad", "bad", body)
    found = {p["plugin"]: p for p in json.loads(run("plugins", "list", "--json").stdout)}
    (fault,) = found["bad"]["faults"]
    assert fault.startswith("recipe 'r' is off: ")
    assert "chooses executor; kinds are extractor, " in fault


def test_workers_that_another_executor_would_ignore_are_refused(dataset, install, tmp_path):
    install("nnplug-counting", "counting", COUNTING)
    result = run("verify", dataset, "--executor", "counting", "--workers", 2)
    assert result.exit_code == 2
    assert "of executor 'counting' set an option, such as --set executor.workers=2" in result.output
