"""Training and prediction on a CPU alone, and beside one program that computes all the time."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from harness.row import Case, Goal, Outside, Row, Sample, Setting, Work
from harness.session import OWN_PYTHON
from harness.training import Budget, train_ours, train_theirs
from rows import predict

DATASET = "Dataset004_Hippocampus"
BUSY = "while True: pass"
MATRICES = "import numpy as np; a = np.ones((2000, 2000))\nwhile True: a @ a"


def ours(setting: Setting, work: str, program: str, **values: Any) -> Work:
    """nnplug's side."""
    if work == "predict":
        return _both(_seconds(predict.ours(setting, **values)), program)
    options = ["--set=planner.base_features=4"] if setting.quick else []
    return _both(lambda: _iteration(train_ours(setting, setting.dataset(DATASET), _budget(**values), options)), program)


def theirs(setting: Setting, work: str, program: str, **values: Any) -> Work:
    """nnU-Net's side."""
    if work == "predict":
        return _both(_seconds(predict.theirs(setting, **values)), program)
    return _both(lambda: _iteration(train_theirs(setting, setting.dataset(DATASET), _budget(**values))), program)


def _both(seconds: Callable[[], float], program: str) -> Work:
    """Measure alone, then beside the program."""

    def work() -> Sample:
        alone = seconds()
        with _beside(program):
            beside = seconds()
        return {"alone_seconds": alone, "seconds": beside, "slowdown": beside / alone}

    return work


@contextmanager
def _beside(program: str) -> Iterator[None]:
    """Run a Python program meanwhile. It is waited for, so that its CPU time counts as ours."""
    process = subprocess.Popen([str(OWN_PYTHON), "-c", program], start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _iteration(epochs: list[dict[str, Any]]) -> float:
    """Return the seconds of an epoch; the first one warms up."""
    return median(epoch["seconds"] for epoch in epochs[1:])


def _seconds(work: Work) -> Callable[[], float]:
    def seconds() -> float:
        sample = work()
        assert sample is not None
        return float(sample["seconds"])

    return seconds


def _budget(iterations: int, epochs: int) -> Budget:
    return Budget(iterations=iterations, val_iterations=1, epochs=epochs, device="cpu", batch=2)


TRAINING = {"work": "train", "iterations": 8, "epochs": 3}
PREDICTION = {
    "work": "predict",
    "device": "cpu",
    "classes": 3,
    "features": [32, 64, 128, 256, 320],
    "size": 128,
    "patch": 96,
    "spacing": 1.0,
}
GOALS = (Goal("slowdown", 2.5, of="nnplug"), Goal("alone_seconds", 1.0), Goal("seconds", 1.0))
SMALL = {"iterations": 1, "epochs": 2}
ROW = Row(
    title="beside a busy program, CPU",
    ours=Outside(ours),
    theirs=Outside(theirs),
    rounds=1,
    apart=True,
    cases=(
        Case(
            "training of Hippocampus, batch 2, beside a loop in Python",
            {**TRAINING, "program": BUSY},
            quick=SMALL,
            goals=GOALS,
        ),
        Case(
            "training of Hippocampus, batch 2, beside products of matrices on all cores",
            {**TRAINING, "program": MATRICES},
            quick=SMALL,
            goals=GOALS,
        ),
        Case(
            "prediction of 128^3, whole command, beside a loop in Python",
            {**PREDICTION, "program": BUSY},
            quick=predict.TINY,
            goals=GOALS,
        ),
    ),
    note="Each side is measured alone, and at once again beside a program that computes all the time and is bound to "
    "no core. The slowdown is the second time over the first. Training: an epoch of 8 iterations and one of "
    "validation, the median of two after the first. nnplug's goal for the slowdown is 2.5; the program takes a third "
    "to a half of two cores.",
)
