"""A trainer: nnU-Net's loop with another optimiser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# It brings losses, patch sampling, checkpoints and resuming. Your own trainer needs the methods `mirror_axes` and
# `train` of `nnplug.contracts.Trainer`: docs/hooks/trainer.md describes them.
from nnplug_nnunet.training.trainer import NnUNetTrainer


@dataclass(frozen=True, kw_only=True)
class ShortTrainer(NnUNetTrainer):
    """AdamW with a cosine schedule; `NnUNetTrainer` explains the options."""

    # Types are part of the options: `--set trainer.optimizer=adam` is refused, and the message lists the allowed words.
    epochs: int = 100
    optimizer: Literal["sgd", "adamw"] = "adamw"
    initial_lr: float = 3e-4
    weight_decay: float = 0.01
    schedule: Literal["poly", "cosine", "constant"] = "cosine"
