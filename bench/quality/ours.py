"""nnplug's side: its trainings and predictions, each by the installed command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from harness.session import NNPLUG, OWN_PYTHON, run_commands

from nnplug.runtime.files import write_text
from quality.datasets import Part, Prepared
from quality.place import Place
from quality.records import Epoch, rounded_dice
from quality.trainings import FOUND, Training

_KEPT = Path(__file__).parents[1] / "peers" / "kept_ours.py"
_PLANS = "quality"
_COPIED = ("run.json", "plans.json", "dataset.json")


def train(training: Training, prepared: Prepared, place: Place, limit: float | None) -> None:
    """Train, or go on; ends early at the limit of seconds.

    Raises:
        Died: a command failed.
    """
    options = {
        "arguments": _arguments(training, prepared, place),
        "points": training.points,
        "per_epoch": training.per_epoch,
        "folder": str(place.points),
        "until": training.until,
        "found": FOUND,
    }
    write_text(place.folder / "ours.json", json.dumps(options))
    run_commands([[str(OWN_PYTHON), str(_KEPT), str(place.folder / "ours.json")]], limit=limit)


def _arguments(training: Training, prepared: Prepared, place: Place) -> list[str]:
    """Return the words of `nnplug run`; those of the recipe may replace those of the dataset."""
    data = training.data
    plan = [] if data.batch is None else [f"--set=plan.batch_size={data.batch}"]
    memory = [] if data.memory_gb is None else [f"--memory-gb={data.memory_gb}"]
    length = {
        "epochs": training.epochs,
        "iterations_per_epoch": training.per_epoch,
        "val_iterations_per_epoch": training.val_per_epoch,
    }
    words = [f"--set=trainer.{key}={value}" for key, value in length.items()]
    return [
        *("run", str(prepared.raw), "-w", str(place.work), "--name", _PLANS, "-c", data.configuration, "-f", "0"),
        *("--until", "train", "--device", training.device, f"--seed={training.seed}"),
        *(*memory, *plan, *training.recipe.words, *words),
    ]


def epochs(training: Training, place: Place) -> tuple[Epoch, ...]:
    """Return the epochs that have ended."""
    log = _run(training, place) / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return tuple(
        Epoch(
            iteration=(line["epoch"] + 1) * training.per_epoch,
            dice=rounded_dice(line.get("dice") or ()),
            seconds=line["seconds"],
        )
        for line in lines
    )


def is_kept(place: Place, point: int) -> bool:
    """Return whether the weights of a point are there."""
    return (place.points / str(point) / "fold_0" / "weights_final.safetensors").exists()


def predict(training: Training, prepared: Prepared, place: Place, point: int, part: Part, output: Path) -> None:
    """Predict the images of a part with the weights of a point, without mirroring.

    Raises:
        Died: the command failed.
    """
    model = place.points / str(point) / "fold_0"
    for name in _COPIED:  # a run folder with other weights
        shutil.copy(_run(training, place) / name, model / name)
    options = ["--no-mirroring", "--step-size", "0.5", "--device", training.device]
    images = str(prepared.images(part))
    run_commands([[NNPLUG, "predict", "-m", str(model), "-i", images, "-o", str(output), *options]])


def _run(training: Training, place: Place) -> Path:
    folder = place.work / training.data.folder / "runs" / _PLANS / training.data.configuration
    return folder / "fold_0"
