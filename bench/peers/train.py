"""Train with nnunetv2 and write a line per epoch: PYTHON_WITH_NNUNETV2 bench/peers/train.py OPTIONS.json.

OPTIONS: dataset, configuration, batch (null: as planned), iterations, val_iterations, epochs, device, log.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class LoggedTrainer(nnUNetTrainer):
    """Writes seconds and Dice of each epoch, and saves nothing."""

    log: Path
    began: float

    def on_epoch_start(self) -> None:
        """Start the epoch's clock."""
        self.began = time.perf_counter()
        super().on_epoch_start()

    def on_epoch_end(self) -> None:
        """Write a line."""
        seconds = time.perf_counter() - self.began
        dice = float(self.logger.get_value("mean_fg_dice", step=-1))
        with self.log.open("a") as file:
            file.write(json.dumps({"seconds": seconds, "mean_dice": dice}) + "\n")
        super().on_epoch_end()

    def save_checkpoint(self, filename: str) -> None:
        """Do nothing: only the clock counts here."""


def main(options: dict[str, Any]) -> None:
    """Train until the epochs are over."""
    root = os.environ["nnUNet_preprocessed"]  # noqa: SIM112 - nnU-Net's own spelling
    folder = Path(root) / options["dataset"]
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    plans["continue_training"] = False  # as nnUNetv2_train tells the trainer
    if options["batch"] is not None:
        plans["configurations"][options["configuration"]]["batch_size"] = options["batch"]
    description = json.loads((folder / "dataset.json").read_text())
    # nnU-Net keeps the arguments of its trainers by looking at the frame that called __init__, so none may be added
    trainer = LoggedTrainer(plans, options["configuration"], 0, description, torch.device(options["device"]))
    trainer.log = Path(options["log"])
    trainer.num_iterations_per_epoch = options["iterations"]
    trainer.num_val_iterations_per_epoch = options["val_iterations"]
    trainer.num_epochs = options["epochs"]
    trainer.run_training()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
