"""The commands that campaigns disturb: small runs of every shape, on a small dataset of phantoms."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnplug.dataset.phantom import write_phantom

DATASET = "Dataset999_Phantom"
TRAINED = ("train", "validate")
BEFORE = ("verify", "fingerprint", "plan", "preprocess")
SHORT = (
    *("--set", "trainer.epochs=2", "--set", "trainer.iterations_per_epoch=1"),
    *("--set", "trainer.val_iterations_per_epoch=1", "--no-mirroring", "--memory-gb", "0.0003"),
    *("--set", "planner.base_features=4", "--set", "planner.max_features=8", "--workers", "2", "--device", "cpu"),
)


@dataclass(frozen=True)
class Scene:
    """A command to disturb.

    Attributes:
        words: the words of `nnplug run` behind dataset and workspace; none for `nnplug predict`.
        stages: the stages through which it goes.
        workers: whether it starts processes of its own.
    """

    words: tuple[str, ...]
    stages: tuple[str, ...]
    workers: bool = False


SCENES: Mapping[str, Scene] = {
    "selection": Scene(
        ("-c", "2d", "-c", "3d_fullres", *SHORT), (*BEFORE, *TRAINED, "select", "postprocess", "bundle")
    ),
    "two folds at once": Scene(
        ("-c", "3d_fullres", *SHORT, "--executor", "dask", "--set", "executor.workers=2"), TRAINED, workers=True
    ),
    "two devices": Scene(("-c", "3d_fullres", "-f", "0", *SHORT, "--devices", "2"), TRAINED, workers=True),
    "cascade": Scene(
        ("-c", "3d_cascade_fullres", "-f", "1", *SHORT),
        (*BEFORE[2:], *TRAINED, "train later", "validate later", "bundle"),
    ),
    "predict": Scene((), ("predict",)),
    "one configuration": Scene(("-c", "3d_fullres", *SHORT), (*BEFORE, *TRAINED, "select", "postprocess", "bundle")),
    "one fold": Scene(("-c", "3d_fullres", "-f", "0", *SHORT, "--until", "train"), (*BEFORE, "train")),
}


def write_dataset(folder: Path, *, cases: int = 4, unseen: int = 4) -> Path:
    """Write the dataset of all scenes, and gives its folder."""
    dataset = folder / DATASET
    if not dataset.exists():
        write_phantom(dataset, cases=cases, unseen=unseen, shape=(20, 24, 22))
    return dataset


def write_splits(workspace: Path) -> None:
    """Write two folds of the four cases."""
    names = [f"phantom_{i:03d}" for i in range(4)]
    folds = [{"train": names[2:], "val": names[:2]}, {"train": names[:2], "val": names[2:]}]
    folder = workspace / DATASET
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "splits.json").write_text(json.dumps(folds))


def command(scene: Scene, dataset: Path, workspace: Path, model: Path) -> list[str]:
    """Return the words of `nnplug`."""
    if scene.words:
        return ["run", str(dataset), "-w", str(workspace), *scene.words]
    words = ["predict", "-i", str(dataset / "imagesTs"), "-o", str(workspace / "out"), "-m", str(model)]
    return [*words, "--no-mirroring", "--continue", "--save-probabilities", "--device", "cpu"]


def environment() -> dict[str, str]:
    """Return the variables of a command: one thread, so that two cores do for two trials."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
