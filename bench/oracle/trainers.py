"""Ask nnunetv2 2.8.1 for the numbers of its trainer classes: rates, optimisers, mirrored axes, sampling, losses.

Run it with a Python that has nnunetv2: `ORACLE/bin/python bench/oracle/trainers.py`. It writes
tests/plugins/nnunetv2-commands/golden/trainers.json. It needs the package adan_pytorch as well.
"""

from __future__ import annotations

import json
import tempfile
from os import environ
from pathlib import Path
from typing import Any

for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
    environ[variable] = tempfile.mkdtemp()

import numpy as np  # noqa: E402 - nnunetv2 wants the variables first
import torch  # noqa: E402

if "+cpu" in torch.__version__:  # timm imports torchvision, whose operators may not load beside this PyTorch
    _ops = ("nms", "qnms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d")
    for _op in (*_ops, *(f"_{one}_backward" for one in _ops)):
        torch.library.define(f"torchvision::{_op}", "(Tensor x) -> Tensor")

import nnunetv2  # noqa: E402
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: E402
from nnunetv2.utilities.find_class_by_name import recursive_find_python_class  # noqa: E402

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/plugins/nnunetv2-commands/golden/trainers.json"
MODEL = ROOT / "tests/plugins/nnunet/nnunet_models/golden/residual/model"
EPOCHS = (0, 1, 25, 49, 50, 51, 500, 999)
PATCHES = ((96, 96, 96), (20, 160, 128), (128, 128), (192, 64))
SHAPE = (6, 8, 4)
LABELS = {"background": 0, "a": 1, "b": 2, "c": 3}
NAMES = json.loads((GOLDEN.parent / "class_names.json").read_text())["trainers"]
LEFT_OUT = ("Benchmark", "PrimusV", "AbstractPrimus")


def plans(patch: tuple[int, ...]) -> dict[str, Any]:
    raw = json.loads((MODEL / "plans.json").read_text())
    name = next(iter(raw["configurations"]))
    one = {**raw["configurations"][name], "patch_size": list(patch), "batch_size": 5, "batch_dice": False}
    return {**raw, "configurations": {"all": one}, "continue_training": False}


def trainer(kind: type, patch: tuple[int, ...]) -> nnUNetTrainer:
    description = {"channel_names": {"0": "a"}, "labels": LABELS, "file_ending": ".nii.gz", "numTraining": 5}
    made = kind(plans(patch), "all", 0, description, torch.device("cpu"))
    made.print_to_log_file = lambda *_, **__: None
    made.network = torch.nn.Conv3d(1, 1, 1)
    return made


def rates(made: nnUNetTrainer) -> tuple[torch.optim.Optimizer, dict[int, float]]:
    made.optimizer, made.lr_scheduler = made.configure_optimizers()
    epochs = [epoch for epoch in EPOCHS if epoch < made.num_epochs]
    warmup = getattr(made, "warmup_duration_whole_net", 0)
    found = {epoch: rate(made, epoch) for epoch in epochs if not warmup or epoch < warmup}
    if warmup:
        made.optimizer, made.lr_scheduler = made.configure_optimizers("train")
        found |= {epoch: rate(made, epoch) for epoch in epochs if epoch >= warmup}
    return made.optimizer, found


def rate(made: nnUNetTrainer, epoch: int) -> float:
    made.lr_scheduler.step(epoch)
    return float(made.optimizer.param_groups[0]["lr"])


def placement(kind: type, patch: tuple[int, ...]) -> dict[str, Any]:
    made = trainer(kind, patch)
    rotation, in_plane, source, mirrored = made.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    return {
        "patch": list(patch),
        "rotation": float(np.degrees(rotation[1])),
        "in_plane": bool(in_plane),
        "source": [int(size) for size in source],
        "mirrored": list(mirrored or ()),
        "mirrored_in_prediction": list(made.inference_allowed_mirroring_axes or ()),
    }


def loss(made: nnUNetTrainer) -> float:
    made.enable_deep_supervision = False
    made.is_ddp = False
    draw = np.random.RandomState(11)
    logits = torch.from_numpy(draw.normal(size=(3, 4, *SHAPE)).astype(np.float32) * 2)
    target = torch.from_numpy(draw.randint(0, 3, size=(3, 1, *SHAPE)))
    return float(made._build_loss()(logits, target))  # noqa: SLF001


def figures(name: str) -> dict[str, Any]:
    folder = Path(nnunetv2.__path__[0]) / "training/nnUNetTrainer"
    kind = recursive_find_python_class(str(folder), name, "nnunetv2.training.nnUNetTrainer")
    made = trainer(kind, PATCHES[0])
    found = {
        "epochs": made.num_epochs,
        "deep_supervision": made.enable_deep_supervision,
        "oversampling": made.oversample_foreground_percent,
        "probabilistic": made.probabilistic_oversampling,
        "batch_size": made.configuration_manager.batch_size,
        "patch_size": list(made.configuration_manager.patch_size),
        "placement": [placement(kind, patch) for patch in PATCHES if len(patch) == 3 or "Primus" not in name],
        "loss": loss(trainer(kind, PATCHES[0])),
        "initial_lr": made.initial_lr,
        "weight_decay": made.weight_decay,
    }
    optimizer, found["rates"] = rates(made)
    kept = ("weight_decay", "momentum", "nesterov", "betas", "amsgrad", "eps")
    group = {key: optimizer.param_groups[0][key] for key in kept if key in optimizer.param_groups[0]}
    return {**found, "optimizer": {"kind": type(optimizer).__name__, **group}}


def adan() -> list[float]:
    """Return three weights after five steps of Adan, with the gradients that the test makes."""
    from adan_pytorch import Adan

    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0, 0.5]))
    optimizer = Adan([weight], lr=0.1, weight_decay=0.02)
    for step in range(5):
        weight.grad = torch.tensor([0.3, -1.0, 2.0]) * (step + 1) - 1.5
        optimizer.step()
    return weight.tolist()


def main() -> None:
    """Write the figures of nnUNetTrainer, and of every other class what differs from them."""
    found = {name: figures(name) for name in NAMES if not any(part in name for part in LEFT_OUT)}
    usual = found["nnUNetTrainer"]
    different = {
        name: {key: value for key, value in own.items() if name == "nnUNetTrainer" or value != usual[key]}
        for name, own in found.items()
    }
    GOLDEN.write_text(json.dumps({"classes": different, "adan": adan()}) + "\n")


if __name__ == "__main__":
    main()
