"""The commands of docs/pretraining.md run on a synthetic checkpoint; its numbers are those of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from nnplug_nnssl.finetuning import BATCH_SIZE, RATES, WARMUP_EPOCHS, training_options

from .conftest import nnplug

PAGE = (Path(__file__).parents[3] / "docs" / "pretraining.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("nnplug ")
]
QUICK = ["epochs=2", "warmup_epochs=1", "iterations_per_epoch=1", "val_iterations_per_epoch=1", "augment_on=threads"]


@pytest.mark.slow  # test_commands.py runs each command with small plans
def test_the_commands_of_the_page_run(place, unet, monkeypatch, tmp_path):
    """Each command of the page, in its order; the training is short."""
    folder, _ = place
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NNPLUG_WORKSPACE", raising=False)
    assert len(COMMANDS) == 8
    for command in COMMANDS:
        words = shlex.split(command)[1:]
        words = [word.replace("nnplug-work/DATASET", f"nnplug-work/{folder.name}") for word in words]
        words = [{"DATASET": str(folder), "CHECKPOINT": str(unet.path)}.get(word, word) for word in words]
        if words[0] == "plan":
            words += ["--set", "planner.base_features=4", "--set", "planner.max_features=8"]
        if words[0] == "train":
            words += ["-f", "0", "--device", "cpu", "--no-mirroring"]
            words += [word for option in QUICK for word in ("--set", f"trainer.{option}")]
        nnplug(*words)
    runs = tmp_path / "nnplug-work" / folder.name / "runs"
    assert (runs / "nnssl" / "3d_fullres" / "fold_0" / "validation" / "summary.json").is_file()


@pytest.mark.parametrize("optimizer", RATES)
def test_the_numbers_of_the_page_are_those_of_the_options(optimizer):
    options = training_options(optimizer)
    line = next(
        line for line in PAGE.splitlines() if f"default for {'U-Nets' if optimizer == 'sgd' else 'Primus'}" in line
    )
    rate = f"{options['initial_lr']:f}".rstrip("0")
    assert f"learning rate {rate}" in line
    for key in ("weight_decay", "gradient_clip"):
        assert key not in options or f"`{key}` {options[key]:g}" in line
    assert f"{WARMUP_EPOCHS} epochs of warm-up" in PAGE
    assert f"| batch | {BATCH_SIZE} patches |" in PAGE
