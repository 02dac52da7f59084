"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any, Literal

import torch

from nnplug.registry.attribution import broken

ScheduleName = Literal["poly", "cosine", "constant"]
OptimizerName = Literal["sgd", "adamw"]


def learning_rate(schedule: ScheduleName, initial: float, epoch: int, epochs: int) -> float:
    """Return the learning rate of an epoch (counted from 0) of `epochs`."""
    if schedule == "poly":
        return initial * float((1 - epoch / epochs) ** 0.9)
    return initial if schedule == "constant" else initial * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def make_optimizer(
    name: OptimizerName, parameters: Iterable[torch.nn.Parameter], *, lr: float, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """Return SGD with Nesterov momentum, or AdamW (`momentum` is not used), for parameters on their device."""
    if name == "adamw":
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=weight_decay, fused=True)
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
