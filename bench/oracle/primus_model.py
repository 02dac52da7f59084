"""Have nnunetv2 2.8.1's trainer of Primus save a model, and predict with it.

Run it with a Python that has nnunetv2: `ORACLE/bin/python bench/oracle/primus_model.py`. It writes
tests/plugins/nnunet/nnunet_models/golden/primus.npz: the probabilities of the image of `checkpoint.py`. The checkpoint
is too large to keep (90 MB); the test makes the same weights.
"""

from __future__ import annotations

import json
import shutil

import numpy as np
import primus  # first: it lets timm import torchvision
import torch
from checkpoint import DESCRIPTION, GOLDEN, SCRATCH, predict
from nnunetv2.training.nnUNetTrainer.primus.primus_trainers import nnUNet_Primus_S_Trainer

PATCH = [8, 24, 24]


def main() -> None:
    """Write the figures."""
    plans = json.loads((GOLDEN / "model" / "plans.json").read_text())
    plans["configurations"]["3d_fullres"]["patch_size"] = PATCH
    cases = SCRATCH / "preprocessed" / plans["dataset_name"] / "nnUNetPlans_3d_fullres"
    fold = SCRATCH / "model" / "fold_0"
    for folder in (cases, fold, SCRATCH / "out"):
        folder.mkdir(parents=True)
    for ending in ("b2nd", "pkl"):  # the trainer looks at the endings only
        (cases / f"c0.{ending}").touch()
    given = {**plans, "continue_training": False}
    trainer = nnUNet_Primus_S_Trainer(given, "3d_fullres", 0, DESCRIPTION, torch.device("cpu"))
    trainer.initialize()
    state = trainer.network.state_dict()
    trainer.network.load_state_dict({name: primus.values(name, tuple(one.shape)) for name, one in state.items()})
    trainer.save_checkpoint(str(fold / "checkpoint_final.pth"))
    (fold.parent / "plans.json").write_text(json.dumps(plans))
    (fold.parent / "dataset.json").write_text(json.dumps(DESCRIPTION))
    probabilities = predict(fold.parent, GOLDEN / "images")
    np.savez_compressed(GOLDEN.parent / "primus.npz", probabilities=probabilities)
    shutil.rmtree(SCRATCH)


if __name__ == "__main__":
    main()
