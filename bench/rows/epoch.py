"""Whole epochs of 250 + 50 iterations on a CUDA GPU, both sides compiled; data wait included."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from harness.phantoms import phantom
from harness.row import Case, Goal, Outside, Row, Sample, Setting, Unmeasurable, Work
from harness.training import Budget, train_ours, train_theirs

HIPPOCAMPUS, BRATS = "Hippocampus", "BraTS"
SIZES: dict[str, dict[str, Any]] = {
    HIPPOCAMPUS: {"shape": (36, 50, 35), "channels": 1, "classes": 3, "cases": 50},
    BRATS: {"shape": (155, 180, 150), "channels": 4, "classes": 4, "cases": 8},
}


def ours(setting: Setting, data: str, epochs: int, iterations: int, device: str) -> Work:
    """Epochs of nnplug; the first one warms up."""
    dataset, budget = dataset_of(setting, data), _budget(setting, epochs, iterations, device)

    def work() -> Sample:
        lines = train_ours(setting, dataset, budget, _small(setting))[1:]
        seconds = median(line["seconds"] for line in lines)
        return {"seconds": seconds, "wait_share": median(line["wait_seconds"] for line in lines) / seconds}

    return work


def theirs(setting: Setting, data: str, epochs: int, iterations: int, device: str) -> Work:
    """Epochs of nnU-Net."""
    dataset, budget = dataset_of(setting, data), _budget(setting, epochs, iterations, device)
    return lambda: {"seconds": median(line["seconds"] for line in train_theirs(setting, dataset, budget)[1:])}


def dataset_of(setting: Setting, data: str) -> Path:
    """Hippocampus itself where it is here, else a phantom of its size; of BraTS always a phantom."""
    if data == HIPPOCAMPUS:
        try:
            return setting.dataset("Dataset004_Hippocampus")
        except Unmeasurable:
            pass
    size = {**SIZES[data], "shape": (40, 40, 40)} if setting.rehearse else SIZES[data]
    return phantom(setting.scratch / f"Dataset9{len(data):02d}_{data}", **size)


def _budget(setting: Setting, epochs: int, iterations: int, device: str) -> Budget:
    return Budget(
        iterations=iterations,
        val_iterations=max(1, iterations // 5),
        epochs=epochs,
        device=device,
        batch=2 if setting.rehearse else None,
        compiles=device == "cuda",  # few epochs would not be worth it; the first one, which compiles, does not count
    )


def _small(setting: Setting) -> list[str]:
    return ["--set=planner.base_features=4"] if setting.rehearse else []


QUICK = {"epochs": 2, "iterations": 2}
ROW = Row(
    title="training epoch, 3d_fullres",
    ours=Outside(ours),
    theirs=Outside(theirs),
    rounds=1,
    warm_up=0,
    cases=(
        Case(
            "Hippocampus, batch 9, GPU",
            {"data": HIPPOCAMPUS, "epochs": 6, "iterations": 250},
            quick=QUICK,
            goals=(Goal("seconds", 1.5, of="nnplug"), Goal("wait_share", 0.05, of="nnplug")),
            gpu=True,
        ),
        Case(
            "BraTS, 128^3 batch 2, GPU",
            {"data": BRATS, "epochs": 3, "iterations": 250},
            quick=QUICK,
            goals=(Goal("seconds", 0.6), Goal("wait_share", 0.05, of="nnplug")),
            gpu=True,
        ),
    ),
    note="nnunetv2 took 5.6 to 7.4 s for an epoch of Hippocampus on an H100 PCIe (published logs).",
)
