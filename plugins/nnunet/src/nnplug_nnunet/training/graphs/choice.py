"""The choice of a training's step: as the trainer defines it, or recorded as a CUDA graph."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from nnplug.contracts import TrainingTask
from nnplug.contracts.attributed.logits_check import LogitsCheck
from nnplug.contracts.attributed.loss import AttributedLoss
from nnplug.registry.attribution import name_of
from nnplug_nnunet.training.callbacks import CallbackList
from nnplug_nnunet.training.graphs.graphed_step import CudaRecorder, GraphedStep, Step
from nnplug_nnunet.training.losses import TopK
from nnplug_nnunet.training.state import TrainingState
from nnplug_nnunet.training.steps import PatchSteps

_FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)
_KNOWN = ("torch", "nnplug", "nnplug_nnunet", "nnplug_cuda")
"""Packages whose layers and losses do the same with every batch, so that a graph of one step serves for all."""


def choose_step(trainer: PatchSteps, state: TrainingState, callbacks: CallbackList) -> Step:
    """Return the step of a training: a graph of it, or the trainer's own if something prevents a graph.

    Args:
        trainer: with the option `cuda_graph`; with "always", a notice says what prevents a graph.
        state: the training, before its first iteration.
        callbacks: its callbacks.
    """
    reason = next(_obstacles(trainer, state, callbacks), None)
    if reason is None:
        return GraphedStep(trainer.training_step, CudaRecorder(state.task.device), state.task.progress.notice)
    if trainer.cuda_graph == "always":
        state.task.progress.notice(f"no CUDA graph: {reason}; the training continues without it")
    return trainer.training_step


def _obstacles(trainer: PatchSteps, state: TrainingState, callbacks: CallbackList) -> Iterator[str]:
    """Yield the reasons against a graph of the step."""
    if trainer.cuda_graph == "never":
        yield "it is not wanted"
    yield from _obstacles_of_task(state.task)
    if type(trainer).training_step is not PatchSteps.training_step:
        yield f"{name_of(trainer)} has a training step of its own"
    if not _is_recordable(state.optimizer):
        yield "the optimiser is no fused SGD, Adam or AdamW"
    if _has_hooks(state):
        yield "the network or the optimiser has hooks"
    loss = task_loss.loss if isinstance(task_loss := state.task.loss, AttributedLoss) else task_loss
    if state.task.labels.ignore is not None and (isinstance(loss, TopK) or (loss is None and "topk" in trainer.loss)):
        yield "the loss sorts the voxels that count, for whose number the host waits"
    if trainer.cuda_graph == "always":
        return
    if callbacks.follow_iterations:
        yield "a callback follows every iteration"
    parts = (*state.network.modules(), state.loss, *([] if loss is None else [loss]))
    if foreign := [type(part) for part in parts if not _is_known(type(part))]:
        yield f"{foreign[0].__qualname__} may do something else with every batch"


def _obstacles_of_task(task: TrainingTask) -> Iterator[str]:
    if task.device.type != "cuda":
        yield "it needs a CUDA GPU"
    if task.world.size > 1:
        yield "it needs a training on one device"


def _is_recordable(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether a step of the optimiser never waits for the device, and reads learning rates from there."""
    return type(optimizer) in _FUSED and all(group.get("fused") for group in optimizer.param_groups)


def _has_hooks(state: TrainingState) -> bool:
    """Return whether somebody follows the parts of a step, such as `nnplug bench`; a graph would not call them."""
    optimizer = state.optimizer
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:  # noqa: SLF001
        return True
    hooks = (hook for module in state.network.modules() for hook in _hooks(module))
    if any(not isinstance(hook, LogitsCheck) for hook in hooks):  # which looks at shapes, and these are fixed
        return True
    return any(parameter._backward_hooks for parameter in state.network.parameters())  # noqa: SLF001


def _hooks(module: torch.nn.Module) -> Iterator[object]:
    for kind in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"):
        yield from getattr(module, kind).values()


def _is_known(kind: type) -> bool:
    return kind.__module__.split(".")[0] in _KNOWN
