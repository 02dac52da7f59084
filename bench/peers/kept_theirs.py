"""Train with nnunetv2, keep weights at some iterations, go on after a stop: PYTHON .. OPTIONS.json.

OPTIONS: dataset, configuration, batch (null: as planned), iterations, val_iterations, epochs, seed, device, log (a line
per epoch; after a stop an epoch may have two, of which the later counts), points (iterations), folder (POINT/ is a
model folder of nnU-Net), until and found as in kept_ours.py. Random numbers of this process are seeded; nnU-Net's
workers, which cut and augment, draw their own.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

LATEST = "checkpoint_latest.pth"


class EnoughSeen(Exception):
    """The start of a training is over."""


class KeptTrainer(nnUNetTrainer):
    """nnU-Net's default trainer; after each epoch it writes a line and a checkpoint to go on from."""

    options: dict[str, Any]
    began: float

    def on_epoch_start(self) -> None:
        """Start the epoch's clock."""
        self.began = time.perf_counter()
        super().on_epoch_start()

    def on_epoch_end(self) -> None:
        """Write the weights of a point, the line and the checkpoint, in this order."""
        seconds, iteration = time.perf_counter() - self.began, (self.current_epoch + 1) * self.options["iterations"]
        dice = [float(value) for value in self.logger.get_value("dice_per_class_or_region", step=-1)]
        dice = [None if np.isnan(value) else value for value in dice]
        if iteration in self.options["points"]:
            self._keep(Path(self.options["folder"]) / str(iteration))
        with Path(self.options["log"]).open("a") as file:
            file.write(json.dumps({"epoch": self.current_epoch, "dice": dice, "seconds": seconds}) + "\n")
        super().on_epoch_end()
        if self.options["until"] is not None:
            all_found = all(value is None or value > self.options["found"] for value in dice)
            if all_found or iteration >= self.options["until"]:
                raise EnoughSeen

    def _keep(self, folder: Path) -> None:
        """Write a model folder."""
        (folder / "fold_0").mkdir(parents=True, exist_ok=True)
        (folder / "plans.json").write_text(json.dumps(self.plans_manager.plans))
        (folder / "dataset.json").write_text(json.dumps(self.dataset_json))
        kept = {
            "network_weights": self.network.state_dict(),
            "trainer_name": "nnUNetTrainer",  # what predicts looks for a class of this name
            "init_args": {"configuration": self.options["configuration"]},
            "inference_allowed_mirroring_axes": self.inference_allowed_mirroring_axes,
        }
        _write(kept, folder / "fold_0" / "checkpoint_final.pth")

    def save_checkpoint(self, filename: str) -> None:
        """Write the checkpoint to go on from, whole or not at all; no other one."""
        if Path(filename).name == LATEST:
            super().save_checkpoint(f"{filename}.part")
            Path(f"{filename}.part").replace(filename)


def _write(content: dict[str, Any], path: Path) -> None:
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


def main(options: dict[str, Any]) -> None:
    """Train until the epochs are over, or enough is seen."""
    root = os.environ["nnUNet_preprocessed"]  # noqa: SIM112 - nnU-Net's own spelling
    folder = Path(root) / options["dataset"]
    plans = json.loads((folder / "nnUNetPlans.json").read_text())
    plans["continue_training"] = False  # as nnUNetv2_train tells the trainer
    if options["batch"] is not None:
        plans["configurations"][options["configuration"]]["batch_size"] = options["batch"]
    description = json.loads((folder / "dataset.json").read_text())
    _seed(options["seed"])
    # nnU-Net keeps the arguments of its trainers by looking at the frame that called __init__, so none may be added
    trainer = KeptTrainer(plans, options["configuration"], 0, description, torch.device(options["device"]))
    trainer.options = options
    trainer.num_iterations_per_epoch = options["iterations"]
    trainer.num_val_iterations_per_epoch = options["val_iterations"]
    trainer.num_epochs = options["epochs"]
    trainer.save_every = 1
    trainer.initialize()
    latest = Path(trainer.output_folder) / LATEST
    if latest.exists():
        trainer.load_checkpoint(str(latest))
        _seed(options["seed"] + trainer.current_epoch)
    trainer.logger.plot_progress_png = lambda *_: None  # a second per epoch, which nnU-Net's epochs of 250 hide
    try:
        trainer.run_training()
    except EnoughSeen:
        os._exit(0)  # its workers wait for ever


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
