"""The checks of `nnplug.contracts.Loss`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor

from nnplug.contracts import LossContext
from nnplug.dataset.labels import Labels
from nnplug.errors import ComponentFailed, NnplugError
from nnplug.registry.entries import LossComponent
from nnplug.runtime.distributed import SINGLE_PROCESS, World
from nnplug.testing import samples
from nnplug.testing.check import Checks, NotChecked, Subject, require
from nnplug.testing.together import on_every_rank

SIZE, BATCH = 8, 3
CONFIDENT = 8.0
"""The logit of a network that is sure."""
IGNORE = 3

CLASSES = samples.LABELS
WITH_IGNORE = Labels.from_data({"background": 0, "organ": 1, "tumour": 2, "ignore": IGNORE}, (), "the kit")
REGIONS = Labels.from_data({"background": 0, "whole": [1, 2], "tumour": [2]}, [1, 2], "the kit")


def _is_scalar(subject: Subject, axes: int) -> None:
    for batch_dice in (False, True):
        logits, target = _random(CLASSES, axes)
        value = _bound(subject, CLASSES, batch_dice=batch_dice)(logits, target)
        require(isinstance(value, Tensor) and value.ndim == 0, f"gave {_described(value)}; expected a scalar")
        require(bool(value.isfinite()), f"gave {float(value.detach())} for random logits")
        gradient = _gradient(value, logits)
        require(bool(gradient.isfinite().all()), "the gradient to the logits is not finite")
        require(bool(gradient.any()), "the gradient to the logits is 0 everywhere")


def _prefers_the_truth(subject: Subject, labels: Labels) -> None:
    function = _bound_if_taken(subject, labels)
    _, target = _random(labels, 2)
    right, wrong = _sure(target, labels), _sure(torch.where(target > 0, 3 - target, target), labels)
    good, bad = float(function(right, target).detach()), float(function(wrong, target).detach())
    require(good < bad, f"logits that are the target gave {good:g}, logits with swapped labels {bad:g}")


def _takes_one_class(subject: Subject) -> None:
    """Raise unless the loss is finite where a batch has no foreground, or nothing else."""
    for value in (0, 1):
        logits, target = _random(CLASSES, 2)
        loss = _bound(subject, CLASSES)(logits, torch.full_like(target, value))
        require(
            bool(loss.isfinite()), f"gave {float(loss.detach())} for a batch in which every voxel has label {value}"
        )
        require(bool(_gradient(loss, logits).isfinite().all()), f"its gradient for label {value} alone is not finite")


def _ignores(subject: Subject) -> None:
    """Raise if logits of ignored voxels change the loss, or if a batch of nothing else is not finite."""
    logits, target = _random(WITH_IGNORE, 2)
    ignored = torch.zeros_like(target, dtype=torch.bool)
    ignored[..., : SIZE // 2] = True
    target = target.masked_fill(ignored, IGNORE)
    function = _bound_if_taken(subject, WITH_IGNORE)
    value = function(logits, target)
    other = float(function(torch.where(ignored, -logits.detach(), logits.detach()), target))
    require(
        abs(float(value.detach()) - other) <= 1e-6 * max(1, abs(other)), "logits of ignored voxels changed the loss"
    )
    nothing = function(logits.detach(), torch.full_like(target, IGNORE))
    require(bool(nothing.isfinite()), f"gave {float(nothing)} for a batch in which every voxel is ignored")


def _leaves_arguments(subject: Subject) -> None:
    logits, target = _random(CLASSES, 2)
    kept = logits.detach().clone(), target.clone()
    function = _bound(subject, CLASSES)
    first, again = (float(function(logits, target).detach()) for _ in range(2))
    require(first == again, f"the same logits gave {first!r}, then {again!r}")
    unchanged = torch.equal(logits, kept[0]) and torch.equal(target, kept[1])
    require(unchanged, "the logits or the target were changed in place")


def _shares_batches(subject: Subject) -> None:
    """Raise unless every process that shares a batch gets the loss of the whole batch."""
    if not cast("LossComponent", subject.entry.component).takes_several_devices:
        raise NotChecked("its entry does not say takes_several_devices=True")
    for batch_dice in (False, True):
        parts = on_every_rank(partial(_part, subject, batch_dice=batch_dice), size=2)
        whole = _part(subject, SINGLE_PROCESS, batch_dice=batch_dice)
        close = all(abs(value - whole) <= 1e-4 * max(1, abs(whole)) for value in parts)
        require(close, f"the whole batch has the loss {whole:g}; two processes that share it got {parts}")


def _part(subject: Subject, world: World, *, batch_dice: bool) -> float:
    """Return the loss that a process gets for its part of a batch."""
    logits, target = _random(CLASSES, 2)
    own = slice(world.part(BATCH).start, world.part(BATCH).stop)
    function = _bound(subject, CLASSES, batch_dice=batch_dice, world=world)
    return float(function(logits.detach()[own], target[own]))


def _bound(
    subject: Subject, labels: Labels, *, batch_dice: bool = False, world: World = SINGLE_PROCESS
) -> Callable[[Tensor, Tensor], Tensor]:
    function: Callable[[Tensor, Tensor], Tensor] = subject.create().bind(LossContext(labels, batch_dice, world))
    return function


def _bound_if_taken(subject: Subject, labels: Labels) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss; raise `NotChecked` if it refuses these labels with a line."""
    try:
        return _bound(subject, labels)
    except ComponentFailed:
        raise
    except NnplugError as error:
        raise NotChecked(f"it refuses these labels: {error}") from error


def _random(labels: Labels, axes: int) -> tuple[Tensor, Tensor]:
    """Return random logits (B, K, *patch) with a gradient, and a target (B, 1, *patch) int16 of blocks of labels."""
    draw = torch.Generator().manual_seed(axes)
    logits = torch.randn((BATCH, labels.outputs, *(SIZE,) * axes), generator=draw)
    target = torch.randint(0, 3, (BATCH, 1, *(SIZE // 2,) * axes), generator=draw).to(torch.int16)
    for axis in range(2, 2 + axes):
        target = target.repeat_interleave(2, axis)
    return logits.requires_grad_(), target


def _sure(target: Tensor, labels: Labels) -> Tensor:
    """Return the logits of a network that predicts this target with certainty."""
    channels = labels.foreground if labels.has_regions else [(value,) for value in labels.all_values]
    masks = torch.cat([torch.isin(target, target.new_tensor(values)) for values in channels], dim=1)
    return torch.where(masks, CONFIDENT, -CONFIDENT)


def _gradient(value: Tensor, logits: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(value, logits)
    return gradient


def _described(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


CHECKS: Checks = {
    **{f"is a finite scalar with a gradient in {axes}D": partial(_is_scalar, axes=axes) for axes in (2, 3)},
    "is lower for the right classes": partial(_prefers_the_truth, labels=CLASSES),
    "is lower for the right regions": partial(_prefers_the_truth, labels=REGIONS),
    "takes batches of one class": _takes_one_class,
    "does not count ignored voxels": _ignores,
    "is the same twice": _leaves_arguments,
    "is that of the whole batch on every device": _shares_batches,
}
