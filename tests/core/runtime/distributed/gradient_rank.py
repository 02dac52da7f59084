"""One of several processes that share a batch: `python gradient_rank.py RANK SIZE FILE` prints JSON."""

from __future__ import annotations

import json
import sys

import torch
import torch.distributed as dist
from torch import nn

from nnplug.runtime.distributed import World
from nnplug.runtime.distributed.gradients import GradientSum

BATCH, BUCKET = 4, 300  # bytes: several buckets


def network():
    torch.manual_seed(0)
    layers = [nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)]
    made = nn.Sequential(*layers)
    made.unused = nn.Parameter(torch.zeros(2))  # its gradient never comes
    made[2].bias.requires_grad_(False)
    return made


def batch():
    return torch.randn(BATCH, 5, generator=torch.Generator().manual_seed(1))


def gradients(made):
    return [None if p.grad is None else p.grad.flatten().tolist() for p in made.parameters()]


def step(made, images, parts):
    """The gradient of the sum of all outputs' squares, in several backward passes."""
    for image in images.chunk(parts):
        made(image).square().sum().backward()


def main(rank, size, file):
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=size)
    mine = batch()[list(World(rank, size).part(BATCH))]
    events, reduce = [], dist.all_reduce

    def watched(tensor, **kwargs):
        events.append("sent")
        return reduce(tensor, **kwargs)

    made = network()
    sums = GradientSum(made.parameters(), BUCKET)
    dist.all_reduce = watched
    made[0].weight.register_post_accumulate_grad_hook(lambda _: events.append("last"))
    found = {}
    for name, parts in (("once", 1), ("again", 1), ("in parts", 2)):
        events.clear()
        made.zero_grad(set_to_none=True)
        step(made, mine, parts)
        sums.finish()
        found[name] = gradients(made)
        found[f"{name}: before the last gradient"] = events[: events.index("last")].count("sent")
    sums.close()
    events.clear()
    made.zero_grad(set_to_none=True)
    step(made, mine, 1)
    found["closed"] = events.count("sent")
    dist.all_reduce = reduce
    World(rank, size).add_gradients(made.parameters())
    found["together"] = gradients(made)
    dist.barrier()
    json.dump(found, sys.stdout)
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
