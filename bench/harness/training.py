"""Whole trainings of both sides on a dataset, with an epoch's line each: seconds and Dice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.nnunet import environment, number
from harness.row import Setting
from harness.session import NNPLUG, Died, output_of, run_commands

TRAIN = Path(__file__).parents[1] / "peers" / "train.py"
CONFIGURATION = "3d_fullres"


@dataclass(frozen=True)
class Budget:
    """The length of both trainings.

    Attributes:
        iterations: per epoch.
        val_iterations: per epoch.
        epochs: of the learning rate's schedule; all are trained where no limit comes first.
        seconds: a training that takes longer is stopped, None for no limit.
        batch: patches, None for the plan's.
        device: "cpu" or "cuda".
        compiles: whether nnplug compiles its network, as nnunetv2 always does on a GPU; if not, it decides by the
            length of the training.
    """

    iterations: int
    val_iterations: int
    epochs: int
    device: str
    seconds: float | None = None
    batch: int | None = None
    compiles: bool = False


def train_ours(setting: Setting, dataset: Path, budget: Budget, options: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The epochs of `nnplug train` of fold 0; what comes before is done once and not measured."""
    workspace = setting.scratch / "nnplug"
    plan = [] if budget.batch is None else [f"--set=plan.batch_size={budget.batch}"]
    run = [NNPLUG, "run", str(dataset), "-w", str(workspace), "-c", CONFIGURATION, *plan, *options]
    folder = workspace / dataset.name / "runs" / "nnunet" / CONFIGURATION / "fold_0"
    shutil.rmtree(folder, ignore_errors=True)
    output_of([*run, "--until", "preprocess"])
    trainer = {
        "epochs": budget.epochs,
        "iterations_per_epoch": budget.iterations,
        "val_iterations_per_epoch": budget.val_iterations,
        **({"compile": "always"} if budget.compiles else {}),
    }
    words = [f"--set=trainer.{key}={value}" for key, value in trainer.items()]
    command = [*run, "-f", "0", "--until", "train", "--device", budget.device, *words]
    run_commands([command], limit=budget.seconds)
    return epochs_of(folder / "log.jsonl")


def train_theirs(setting: Setting, dataset: Path, budget: Budget) -> list[dict[str, Any]]:
    """The epochs of nnU-Net's trainer on the same fold."""
    variables = environment(setting.scratch / "nnunetv2", dataset)
    ready = setting.scratch / "nnunetv2.ready"
    if not ready.exists():
        command = [setting.peer_command("nnUNetv2_plan_and_preprocess"), "-d", number(dataset), "-c", CONFIGURATION]
        run_commands([command], variables)
        ready.touch()
    log, options = setting.scratch / "nnunetv2.jsonl", setting.scratch / "nnunetv2.json"
    log.unlink(missing_ok=True)
    options.write_text(json.dumps(_options(dataset, budget, log)))
    run_commands([[setting.peer_command("python"), str(TRAIN), str(options)]], variables, limit=budget.seconds)
    return epochs_of(log)


def _options(dataset: Path, budget: Budget, log: Path) -> Mapping[str, Any]:
    return {
        "dataset": dataset.name,
        "configuration": CONFIGURATION,
        "batch": budget.batch,
        "iterations": budget.iterations,
        "val_iterations": budget.val_iterations,
        "epochs": budget.epochs,
        "device": budget.device,
        "log": str(log),
    }


def epochs_of(log: Path) -> list[dict[str, Any]]:
    """A log's lines."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def curve_of(epochs: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Seconds since the first epoch began, and the Dice of the validation patches then.

    Raises:
        Died: there is no epoch.
    """
    if not epochs:
        raise Died("no epoch was finished within the limit of time")
    curve, seconds = [], 0.0
    for epoch in epochs:
        seconds += epoch["seconds"]
        curve.append((seconds, epoch["mean_dice"] or 0.0))
    return curve
