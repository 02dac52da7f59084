"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, Literal

import torch

from nnplug.registry.attribution import broken
from nnplug_nnunet.training.adan import BETAS, Adan

ScheduleName = Literal["poly", "cosine", "constant"]
OptimizerName = Literal["sgd", "adam", "adamw", "adan"]
AVERAGES: Mapping[OptimizerName, tuple[float, ...]] = {"adam": (0.9, 0.999), "adamw": (0.9, 0.999), "adan": BETAS}
"""Optimiser -> the default `betas` of its averages."""


def learning_rate(schedule: ScheduleName, initial: float, epoch: int, epochs: int, *, warmup: int = 0) -> float:
    """Return the learning rate of an epoch (counted from 0) of `epochs`.

    Args:
        schedule: the course after the warm-up.
        initial: the highest learning rate.
        epoch: the epoch.
        epochs: the number of epochs, with those of the warm-up.
        warmup: number of first epochs, over which the rate rises linearly to `initial`.
    """
    if epoch < warmup:
        return initial * (epoch + 1) / warmup
    done = (epoch - warmup) / (epochs - warmup)
    if schedule == "poly":
        return initial * float((1 - done) ** 0.9)
    return initial if schedule == "constant" else initial * 0.5 * (1 + math.cos(math.pi * done))


def make_optimizer(
    name: OptimizerName,
    parameters: Iterable[torch.nn.Parameter],
    *,
    lr: float,
    momentum: float,
    weight_decay: float,
    betas: tuple[float, ...] | None = None,
    amsgrad: bool = False,
) -> torch.optim.Optimizer:
    """Return an optimiser for parameters on their device.

    Args:
        name: SGD with Nesterov momentum, Adam, AdamW or Adan.
        parameters: the weights.
        lr: the learning rate.
        momentum: momentum of SGD.
        weight_decay: L2 for SGD and Adam, decoupled for AdamW and Adan.
        betas: weights of the averages of Adam, AdamW and Adan; None for `AVERAGES`.
        amsgrad: whether Adam and AdamW divide by the highest average of squared gradients so far.

    Raises:
        ValueError: `betas` are not two numbers for Adam and AdamW, or three for Adan.
    """
    if name == "adan":
        return Adan(parameters, lr=lr, weight_decay=weight_decay, betas=betas or BETAS)
    if name != "sgd":
        first, second = betas or AVERAGES[name]
        kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
        return kind(parameters, lr=lr, betas=(first, second), weight_decay=weight_decay, amsgrad=amsgrad, fused=True)
    optimizer = torch.optim.SGD(
        parameters, lr=lr, momentum=momentum, nesterov=momentum > 0, weight_decay=weight_decay, fused=True
    )
    if momentum > 0:
        _start_momentum_at_zero(optimizer)
    return optimizer


def _start_momentum_at_zero(optimizer: torch.optim.SGD) -> None:
    """Give every parameter a momentum of zeros.

    Fused SGD allocates it in its first step and fills it there, but not if a `GradScaler` skips that step because of an
    overflow: the momentum is then whatever was in the memory. The first step from zeros has the same result.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter, requires_grad=False)


def checked_rate(trainer: object, rate: Any, iteration: int) -> float:
    """Return the learning rate that a trainer gave for an iteration, if it is a finite number from 0.

    Raises:
        InvalidPlugin: it is not; the message names the trainer.
    """
    if not isinstance(rate, Real) or not 0 <= float(rate) < math.inf:
        raise broken(trainer, f"gave the learning rate {rate!r} for iteration {iteration}; expected a float from 0")
    return float(rate)
