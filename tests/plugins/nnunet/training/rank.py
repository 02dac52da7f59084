"""One of several processes that share a batch: `python rank.py RANK SIZE FILE`; prints losses and gradients as JSON."""

from __future__ import annotations

import json
import sys

import torch
import torch.distributed as dist

from nnplug.dataset.labels import Labels
from nnplug.runtime.distributed import World
from nnplug_nnunet.training.losses.functions import make_loss

CLASSES = {"background": 0, "a": 1, "b": 2}
REGIONS = {"background": 0, "whole": [1, 2], "core": [2]}
BATCH = 3  # which two ranks cannot halve
CASES = [
    (name, kind, ignore, batch_dice)
    for name in ("dice-ce", "dice-topk", "ce")
    for kind in ("classes", "regions")
    for ignore in (False, True)
    for batch_dice in (False, True)
]


def losses(world):
    """The loss of every case, and the gradient of this rank's logits."""
    results = []
    for name, kind, ignore, batch_dice in CASES:
        raw = {**(CLASSES if kind == "classes" else REGIONS), **({"ignore": 3} if ignore else {})}
        labels = Labels.from_data(raw, None if kind == "classes" else [1, 2], "test")
        generator = torch.Generator().manual_seed(7)
        logits = torch.randn((BATCH, labels.outputs, 6, 5, 4), generator=generator)
        target = torch.randint(0, 4 if ignore else 3, (BATCH, 1, 6, 5, 4), generator=generator, dtype=torch.int16)
        mine = list(world.part(BATCH))
        own = logits[mine].requires_grad_()
        loss = make_loss(name, labels, batch_dice=batch_dice, world=world)(own, target[mine])
        loss.backward()
        results.append((float(loss), own.grad.tolist()))
    return results


if __name__ == "__main__":
    rank, size, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=size)
    json.dump(losses(World(rank, size)), sys.stdout)
    dist.destroy_process_group()
