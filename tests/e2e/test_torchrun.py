"""Two processes that `torchrun` starts, as the page on cross-validation says it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
pytestmark = pytest.mark.slow
OPTIONS = (
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8", "--set", "trainer.precision=float32"),
    *("--set", "plan.patch_size=[16,16,16]", "--set", "plan.batch_size=4", "--set", "trainer.epochs=2"),
    *("--set", "trainer.iterations_per_epoch=3", "--set", "trainer.val_iterations_per_epoch=1"),
)
FOLD = "Dataset999_Phantom/runs/nnunet/3d_fullres/fold_0"


def losses(workspace):
    lines = [json.loads(line) for line in (workspace / FOLD / "log.jsonl").read_text().splitlines()]
    return [line["train_loss"] for line in lines]


def test_two_processes_train_a_fold_with_the_losses_of_one(phantom, nnplug, tmp_path):
    for name in ("one", "two"):
        nnplug("run", phantom, "-w", tmp_path / name, "-c", "3d_fullres", "--until", "preprocess", *OPTIONS, check=True)
    words = ("train", phantom, "-c", "3d_fullres", "-f", "0", "--device", "cpu", "--no-mirroring")
    nnplug(*words, "-w", tmp_path / "one", check=True)
    torchrun = [BIN / "torchrun", "--standalone", "--nproc-per-node", "2", BIN / "nnplug"]
    done = subprocess.run(
        [*map(str, torchrun), *map(str, words), "-w", str(tmp_path / "two")],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("run: ") == 1  # one of them reports
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    assert (tmp_path / "two" / FOLD / "validation" / "summary.json").is_file()
