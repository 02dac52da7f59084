"""Add random weights to a model folder of nnU-Net: PYTHON_WITH_NNUNETV2 bench/peers/model.py FOLDER."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans


def main(folder: Path) -> None:
    """Write fold_0/checkpoint_final.pth."""
    plans = json.loads((folder / "plans.json").read_text())
    classes = len(json.loads((folder / "dataset.json").read_text())["labels"])
    network = plans["configurations"]["3d_fullres"]["architecture"]
    torch.manual_seed(0)
    built = get_network_from_plans(
        network["network_class_name"], network["arch_kwargs"], network["_kw_requires_import"], 1, classes, True, True
    )
    checkpoint = {
        "network_weights": built.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"plans": plans, "configuration": "3d_fullres", "fold": 0},
        "inference_allowed_mirroring_axes": (0, 1, 2),
        "optimizer_state": None,
        "grad_scaler_state": None,
        "logging": {},
        "_best_ema": 0.0,
        "current_epoch": 1,
    }
    (folder / "fold_0").mkdir(exist_ok=True)
    torch.save(checkpoint, folder / "fold_0" / "checkpoint_final.pth")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
