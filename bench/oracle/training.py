"""Ask nnunetv2 2.8.1 for losses, deep supervision weights, targets and learning rates.

Run it with a Python that has nnunetv2: `ORACLE/bin/python bench/oracle/training.py`. It writes
tests/plugins/nnunet/training/golden/training.json; the inputs are made again by the tests from the same seeds.
"""

import json
from pathlib import Path

import numpy as np
import torch
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss, DC_and_topk_loss
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

GOLDEN = Path(__file__).parents[2] / "tests/plugins/nnunet/training/golden/training.json"
REGIONS = ((1, 2, 3), (2, 3), (3,))
SHAPE = (6, 8, 4)


def inputs(seed: int, channels: int, highest: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = np.random.RandomState(seed)
    logits = torch.from_numpy(draw.normal(size=(3, channels, *SHAPE)).astype(np.float32) * 2)
    target = torch.from_numpy(draw.randint(0, highest + 1, size=(3, 1, *SHAPE)))
    return logits, target


def class_loss(*, batch_dice: bool, ignore: int | None, seed: int) -> float:
    loss = DC_and_CE_loss(
        {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": False},
        {},
        weight_ce=1,
        weight_dice=1,
        ignore_label=ignore,
        dice_class=MemoryEfficientSoftDiceLoss,
    )
    logits, target = inputs(seed, 4, 3 if ignore is None else ignore)
    return float(loss(logits, target))


def region_loss(*, batch_dice: bool, ignore: int | None, seed: int) -> float:
    loss = DC_and_BCE_loss(
        {},
        {"batch_dice": batch_dice, "do_bg": True, "smooth": 1e-5, "ddp": False},
        use_ignore_label=ignore is not None,
        dice_class=MemoryEfficientSoftDiceLoss,
    )
    logits, target = inputs(seed, 3, 3 if ignore is None else ignore)
    masks = [torch.isin(target[:, 0], torch.tensor(r)) for r in REGIONS]
    if ignore is not None:
        masks.append(target[:, 0] == ignore)
    return float(loss(logits, torch.stack(masks, 1).float()))


def rates() -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    schedule = PolyLRScheduler(optimizer, 0.01, 1000)
    found = []
    for epoch in (0, 1, 10, 500, 999):
        schedule.step(epoch)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def supervised() -> tuple[float, list]:
    """Three outputs at halved sizes, weights 1, 1/2, 0 normalised."""
    loss = DC_and_CE_loss(
        {"batch_dice": False, "smooth": 1e-5, "do_bg": False, "ddp": False},
        {},
        weight_ce=1,
        weight_dice=1,
        ignore_label=None,
        dice_class=MemoryEfficientSoftDiceLoss,
    )
    weights = np.array([1, 0.5, 0.0])
    wrapper = DeepSupervisionWrapper(loss, weights / weights.sum())
    logits, target = inputs(9, 4, 3)
    small = [torch.nn.functional.interpolate(logits, scale_factor=1 / s) for s in (1, 2, 4)]
    from batchgeneratorsv2.transforms.utils.deep_supervision_downsampling import DownsampleSegForDSTransform

    scales = [[1, 1, 1], [0.5, 0.5, 0.5], [1 / 3, 0.25, 0.25]]
    per_sample = [DownsampleSegForDSTransform(scales)(segmentation=t)["segmentation"] for t in target]
    targets = [torch.stack([s[level] for s in per_sample]) for level in range(3)]
    small = [torch.nn.functional.interpolate(logits, size=t.shape[2:]) for t in targets]
    return float(wrapper(small, targets)), [t[0, 0].tolist() for t in targets[1:]]


def topk() -> float:
    loss = DC_and_topk_loss(
        {"batch_dice": True, "smooth": 1e-5, "do_bg": False, "ddp": False},
        {"k": 10, "label_smoothing": 0.0},
        weight_ce=1,
        weight_dice=1,
    )
    return float(loss(*inputs(8, 4, 3)))


kinds = [(False, None), (True, None), (False, 4), (True, 4)]
cases = [{"batch_dice": b, "ignore": i, "seed": s} for s, (b, i) in enumerate(kinds)]
loss, targets = supervised()
golden = {
    "class": [{**case, "loss": class_loss(**case)} for case in cases],
    "region": [{**case, "loss": region_loss(**case)} for case in cases],
    "supervised": {"seed": 9, "loss": loss, "targets": targets},
    "topk": topk(),
    "rates": rates(),
}
GOLDEN.parent.mkdir(parents=True, exist_ok=True)
GOLDEN.write_text(json.dumps(golden))
print(json.dumps({k: v for k, v in golden.items() if k != "supervised"}, indent=1), loss)
