"""The settings of nnU-Net's trainers that fine-tune (master of July 2026), as options of the trainer `nnunet`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

Optimizer = Literal["sgd", "adamw"]

WARMUP_EPOCHS = 50
"""First epochs, in which the learning rate of the whole network rises linearly."""

BATCH_SIZE = 2

RATES: Mapping[Optimizer, tuple[float, float]] = {"sgd": (1e-3, 1e-2), "adamw": (1e-4, 3e-4)}
"""Optimiser -> the highest learning rate of fine-tuning, and of a training of the same network from random weights."""

_ADAMW: Mapping[str, Any] = {
    "optimizer": "adamw",
    "betas": [0.9, 0.98],
    "weight_decay": 0.05,
    "gradient_clip": 1.0,
}


def training_options(optimizer: Optimizer, *, from_scratch: bool = False) -> dict[str, Any]:
    """Return the options of the trainer: warm-up, learning rate, optimiser, and a loss of the full resolution alone.

    Args:
        optimizer: SGD with momentum as for U-Nets, or AdamW as for Primus.
        from_scratch: whether the weights are random, for a comparison.
    """
    tuned, scratch = RATES[optimizer]
    return {
        "initial_lr": scratch if from_scratch else tuned,
        "warmup_epochs": WARMUP_EPOCHS,
        "deep_supervision": False,
        **(_ADAMW if optimizer == "adamw" else {}),
    }


def optimizer_for(architecture: str) -> Optimizer:
    """Return the optimiser that nnU-Net fine-tunes an architecture with."""
    return "adamw" if architecture == "primus" else "sgd"
