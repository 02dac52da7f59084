"""The example trainer: the course of its learning rate, and a kill while it trains with AdamW."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from nnplug.errors import InvalidOptions
from nnplug.registry.options import build

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "nnplug-one-cycle"
FOLD = Path("Dataset999_Phantom/runs/one-cycle/3d_fullres/fold_0")


@pytest.fixture
def trainer(monkeypatch):
    """`trainer(**options)` builds it as nnplug does."""
    monkeypatch.syspath_prepend(EXAMPLE / "src")
    from nnplug_one_cycle.trainer import OneCycleTrainer

    return lambda **options: build(OneCycleTrainer, options, what="trainer 'one-cycle'")


@pytest.mark.parametrize(("epochs", "warm_up"), [(100, 0.1), (1, 0.0), (1, 0.5), (7, 0.99)])
def test_the_learning_rate_rises_to_its_peak_and_falls_to_nothing(trainer, epochs, warm_up):
    options = trainer(epochs=epochs, iterations_per_epoch=20, peak_lr=0.5, warm_up=warm_up)
    rates = np.array([options.learning_rate(iteration) for iteration in range(options.iterations)])
    top = int(rates.argmax())
    assert abs(top - warm_up * options.iterations) <= 1
    assert rates.min() > 0
    assert 0.25 <= rates.max() <= 0.5
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) < 0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"peak_lr": 0}, "trainer option peak_lr is 0.0; it must be above 0"),
        ({"warm_up": 1}, "warm_up is 1.0; it must be at least 0 and below 1"),
        ({"betas": [0.9, 1.0]}, r"betas is \[0.9, 1.0\]; each must be at least 0 and below 1"),
    ],
)
def test_options_that_cannot_train_are_refused(trainer, options, message):
    with pytest.raises(InvalidOptions, match=message):
        trainer(**options)


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(environment, phantom, tiny, tmp_path):
    environment.expect("pip", "wheel", "-q", "-w", tmp_path, EXAMPLE)
    environment.expect("pip", "install", "-q", next(tmp_path.glob("*.whl")))
    words = ["-c", "3d_fullres", "-f", "0", "--no-mirroring", "--device", "cpu", *tiny, "--set", "trainer.epochs=4"]

    def command(workspace):
        return ["nnplug", "run", phantom, "-w", workspace, "--recipe", "one-cycle", *words]

    environment.expect(*command(tmp_path / "whole"))
    _kill_when(tmp_path / "killed" / FOLD / "state.pt", environment, command(tmp_path / "killed"))
    environment.expect(*command(tmp_path / "killed"))

    whole, resumed = (load_file(tmp_path / name / FOLD / "weights_final.safetensors") for name in ("whole", "killed"))
    assert whole.keys() == resumed.keys()
    for name in whole:
        np.testing.assert_array_equal(resumed[name], whole[name])
    log = (tmp_path / "killed" / FOLD / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in log] == [0, 1, 2, 3]


def _kill_when(state, environment, command):
    """kill -9 as soon as the state is there; it must not have finished before."""
    python = [environment.folder / "bin" / "python", "-c", "from nnplug_cli.main import main; main()"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([*map(str, python), *map(str, command[1:])], stdout=quiet, stderr=quiet)
    while not state.exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (state.parent / "weights_final.safetensors").exists(), "it was not killed on the way"


def test_the_script_of_the_readme_prints_a_row_per_run_and_draws(tmp_path):
    line = {"epoch": 0, "lr": 0.1, "train_loss": 1.0}
    epochs = [{**line, "seconds": 30, "mean_dice": 0.25}, {**line, "seconds": 60, "mean_dice": 0.5}]
    for name in ("validated", "not"):
        (tmp_path / name / "validation").mkdir(parents=True)
        (tmp_path / name / "log.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs))
    (tmp_path / "validated/validation/summary.json").write_text('{"foreground_mean": {"Dice": 0.75}}')
    words = [f"A={tmp_path / 'validated'}", f"B={tmp_path / 'not'}", "-o", str(tmp_path / "curve.png")]
    done = subprocess.run([sys.executable, str(EXAMPLE / "curve.py"), *words], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["| A | 1.5 | 0.500 | 0.750 |", "| B | 1.5 | 0.500 | not validated |"], (
        done.stderr
    )
    assert (tmp_path / "curve.png").stat().st_size > 1000
