"""Learning rate and momentum as functions of the iteration."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch

from nnplug_nnunet.training.schedule import learning_rate as nnunet_rate

ScheduleName = Literal["nnunet", "poly", "linear", "cosine", "constant"]


def learning_rate(
    schedule: ScheduleName, peak: float, iteration: int, *, epochs: int, iterations_per_epoch: int, warmup: float
) -> float:
    """Return the learning rate of an iteration, above 0 in every iteration of the training.

    Args:
        schedule: "nnunet" is peak x (1 - epoch / epochs)^0.9, constant within an epoch. The others change with every
            iteration and begin to fall after the warm-up: by the same power, linearly, by half a cosine, or never.
        peak: the highest learning rate.
        iteration: counted from 0 over the whole training.
        epochs: epochs of the training.
        iterations_per_epoch: iterations of an epoch.
        warmup: share of the iterations in which the rate rises linearly, from 0 to below 1.
    """
    iterations = epochs * iterations_per_epoch
    rising = int(warmup * iterations)
    risen = min(1.0, (iteration + 1) / rising) if rising else 1.0
    if schedule == "nnunet":
        return risen * nnunet_rate("poly", peak, iteration // iterations_per_epoch, epochs)
    left = 1 - max(0, iteration - rising) / (iterations - rising)
    falls: dict[str, float] = {
        "poly": left**0.9,
        "linear": left,
        "cosine": (1 - math.cos(math.pi * left)) / 2,
        "constant": 1.0,
    }
    return peak * risen * falls[schedule]


def warm_momentum(optimizer: torch.optim.Optimizer, start: float, steps: int) -> None:
    """Let the momentum of an optimiser rise linearly from `start` to that of its groups in the first `steps` steps.

    The number of steps lies in the groups, which the state dict holds, so that a resumed training continues the rise.
    It ends when another one sets the momentum, such as a rescue. Groups without momentum, such as those of AdamW, stay
    as they are.
    """
    for group in optimizer.param_groups:
        if "momentum" in group:
            group["momentum_rise"], group["steps"] = (start, group["momentum"], steps), 0
    optimizer.register_step_pre_hook(_rise)


def _rise(optimizer: torch.optim.Optimizer, _args: Any, _kwargs: Any) -> None:
    for group in optimizer.param_groups:
        if "momentum_rise" in group:
            start, end, steps = group["momentum_rise"]
            done: int = group["steps"]
            own = _risen(start, end, steps, done - 1) if done else end
            if group["momentum"] == own and done <= steps:
                group["momentum"] = _risen(start, end, steps, done)
                group["steps"] += 1


def _risen(start: float, end: float, steps: int, done: int) -> float:
    return end if done >= steps else start + (end - start) * (done / steps)
