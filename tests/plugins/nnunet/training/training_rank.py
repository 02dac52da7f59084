"""One process of several that train together: `training_rank.py RANK SIZE FOLDER TRAINER` prints its losses."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch.distributed as dist

from nnplug.contracts import read_log
from nnplug.runtime.distributed import World
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training import collapse
from nnplug_nnunet.training.batch_settings import BatchSettings, planned_settings
from nnplug_nnunet.training.trainer import NnUNetTrainer


class Growing(NnUNetTrainer):
    """The first epoch has more and smaller patches."""

    def batch_settings(self, task, epoch):
        return planned_settings(task) if epoch else BatchSettings((4, 4, 8), 5)


class Rescued(NnUNetTrainer):
    """The second epoch is a rescue, because no class is found in the first."""

    def training_step(self, state, batch):
        assert state.rescued == (state.epoch == 1)
        return super().training_step(state, batch)


TRAINERS = {"nnunet": NnUNetTrainer, "growing": Growing, "rescued": partial(Rescued, rescue=True)}


def losses(folder, world, trainer):
    """The losses of a short training."""
    if trainer == "rescued":
        collapse.LEAST_ITERATIONS = collapse.LEAST_VALIDATIONS = 1
        collapse.FOUND = 1.1  # above every Dice
    for rank in range(world.size):  # each writes the same cases
        if rank == world.rank:
            task = replace(make_task(folder, Setting(axes=3)), world=world)
        world.wait()
    TRAINERS[trainer](epochs=2, iterations_per_epoch=3, val_iterations_per_epoch=1, precision="float32").train(task)
    return [line.train_loss for line in read_log(task.run.log)] if world.is_main else []


if __name__ == "__main__":
    rank, size, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=size)
    json.dump(losses(folder, World(rank, size), sys.argv[4]), sys.stdout)
    dist.destroy_process_group()
