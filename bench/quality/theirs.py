"""nnunetv2's side: its default trainer and its predictor."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from harness.nnunet import cores, environment, number
from harness.row import Unmeasurable
from harness.session import run_commands

from nnplug.runtime.files import write_text
from quality.datasets import Part, Prepared
from quality.place import Place
from quality.records import Epoch, rounded_dice
from quality.trainings import FOUND, Training

_PEERS = Path(__file__).parents[1] / "peers"
_LOG = "theirs.jsonl"


def train(training: Training, prepared: Prepared, place: Place, limit: float | None) -> None:
    """Train, or go on; ends early at the limit of seconds.

    Raises:
        Died: a command failed.
        Unmeasurable: there is no nnunetv2.
    """
    variables = _planned(training, prepared, place)
    options = {
        "dataset": training.data.folder,
        "configuration": training.data.configuration,
        "batch": training.data.batch,
        "iterations": training.per_epoch,
        "val_iterations": training.val_per_epoch,
        "epochs": training.epochs,
        "seed": training.seed,
        "device": training.device,
        "log": str(place.folder / _LOG),
        "points": training.points,
        "folder": str(place.points),
        "until": training.until,
        "found": FOUND,
    }
    write_text(place.folder / "theirs.json", json.dumps(options))
    script = [str(_python(place)), str(_PEERS / "kept_theirs.py"), str(place.folder / "theirs.json")]
    run_commands([script], variables, limit=limit)
    if all(is_kept(place, point) for point in training.points):
        shutil.rmtree(place.work, ignore_errors=True)  # checkpoints with the optimiser's averages


def _planned(training: Training, prepared: Prepared, place: Place) -> dict[str, str]:
    """Plan and preprocess a dataset once for all trainings; gives their environment."""
    folder = place.shared / "nnunetv2"
    variables = environment(folder, prepared.raw)
    ready = folder / "ready"
    if not ready.exists():
        data, workers = training.data, str(cores())
        memory = [] if data.memory_gb is None else ["-gpu_memory_target", str(data.memory_gb)]
        command = [str(_python(place).parent / "nnUNetv2_plan_and_preprocess"), "-d", number(prepared.raw)]
        run_commands([[*command, "-c", data.configuration, "-npfp", workers, "-np", workers, *memory]], variables)
        splits = folder / "preprocessed" / data.folder / "splits_final.json"
        shutil.copy(prepared.raw / splits.name, splits)
        ready.touch()
    return {**variables, "nnUNet_results": str(place.work)}


def epochs(training: Training, place: Place) -> tuple[Epoch, ...]:
    """Return the epochs that have ended; of one that was trained again the later line."""
    log = place.folder / _LOG
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    by_epoch = {line["epoch"]: line for line in lines}
    return tuple(
        Epoch(
            iteration=(epoch + 1) * training.per_epoch,
            dice=rounded_dice(line["dice"]),
            seconds=round(line["seconds"], 3),
        )
        for epoch, line in sorted(by_epoch.items())
    )


def is_kept(place: Place, point: int) -> bool:
    """Return whether the weights of a point are there."""
    return (place.points / str(point) / "fold_0" / "checkpoint_final.pth").exists()


def predict(training: Training, prepared: Prepared, place: Place, point: int, part: Part, output: Path) -> None:
    """Predict the images of a part with the weights of a point, without mirroring; raises as `train` does."""
    script = [str(_python(place)), str(_PEERS / "predict_theirs.py"), str(place.points / str(point))]
    variables = environment(place.shared / "nnunetv2", prepared.raw)
    run_commands([[*script, str(prepared.images(part)), str(output), training.device]], variables)


def _python(place: Place) -> Path:
    if place.peer is None:
        raise Unmeasurable("nnunetv2 is not here; bench/setup makes its environment, or give --peer PYTHON")
    return place.peer
