"""Weights and training state on disk; a file is written completely or not at all, and without pickled objects."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import torch

from nnplug.errors import InvalidFile
from nnplug.models.weights import read_weights
from nnplug.remedies import Action
from nnplug.runtime.files import atomic_file, give_default_permissions
from nnplug_nnunet.tensor_files import save_checkpoint, save_tensors
from nnplug_nnunet.training.collapse import ClassSearch

_SMOOTHING = 0.9
_PARTS = {"position", "optimizer"}
"""The keys of every state."""
_OUT_OF_MEMORY = "can't allocate memory"  # in the RuntimeError that PyTorch raises for the CPU


@dataclass(frozen=True)
class TrainingProgress:
    """The progress of a training.

    Attributes:
        epoch: the next epoch to train.
        smoothed_dice: exponential moving average of the mean validation Dice, None before the first epoch.
        best_dice: its highest value so far.
        best_epoch: number of trained epochs at the highest value, or when a finished training was extended.
        search: the classes that were found so far; empty for a state of an earlier version.
    """

    epoch: int = 0
    smoothed_dice: float | None = None
    best_dice: float | None = None
    best_epoch: int = 0
    search: ClassSearch = field(default_factory=ClassSearch)

    @classmethod
    def restored(cls, data: Mapping[str, Any]) -> TrainingProgress:
        """Return the progress that a state holds; earlier versions saved no `search`."""
        return cls(**{**data, "search": ClassSearch(**data.get("search", {}))})

    def after(self, mean_dice: float, search: ClassSearch | None = None) -> TrainingProgress:
        """Return the progress after an epoch with this mean Dice.

        Args:
            mean_dice: of the epoch.
            search: after the epoch; None for the same as before.
        """
        old = self.smoothed_dice
        smoothed = mean_dice if old is None else _SMOOTHING * old + (1 - _SMOOTHING) * mean_dice
        return replace(self, epoch=self.epoch + 1, smoothed_dice=smoothed, search=search or self.search)

    def as_best(self) -> TrainingProgress:
        """Return the same progress with its smoothed Dice as the best."""
        return replace(self, best_dice=self.smoothed_dice, best_epoch=self.epoch)

    @property
    def is_best(self) -> bool:
        """Return whether the smoothed Dice is higher than ever before."""
        return self.smoothed_dice is not None and (self.best_dice is None or self.smoothed_dice > self.best_dice)


def save_weights(network: torch.nn.Module, path: Path) -> None:
    """Write the state dict as safetensors: float32, contiguous."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with atomic_file(path) as temporary:
        save_tensors(tensors, temporary)
        give_default_permissions(temporary)


def save_state(path: Path, network: torch.nn.Module, states: dict[str, Any], position: TrainingProgress) -> None:
    """Write the file that `load_state` reads; it holds tensors, numbers and strings only."""
    with atomic_file(path) as temporary:
        save_checkpoint({"network": network.state_dict(), "position": asdict(position), **states}, temporary)


def save_final_state(
    path: Path, states: dict[str, Any], position: TrainingProgress, exact: dict[str, Any] | None = None
) -> None:
    """Write the state that extends a finished training.

    Args:
        path: the file.
        states: of optimiser and scaler; averages become bfloat16, half their size.
        position: the progress.
        exact: further states, which are kept as they are.
    """
    with atomic_file(path) as temporary:
        save_checkpoint({"position": asdict(position), **_halved(states), **(exact or {})}, temporary)


def _halved(value: Any) -> Any:
    """Return the same nested dictionaries and lists with float32 tensors as bfloat16; optimisers convert them back."""
    if isinstance(value, dict):
        return {key: _halved(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_halved(item) for item in value]
    is_average = isinstance(value, torch.Tensor) and value.dtype is torch.float32 and value.ndim > 0
    return value.to(torch.bfloat16) if is_average else value


def load_state(path: Path) -> dict[str, Any]:
    """Read the file of `save_state` or `save_final_state` to the CPU; no code from the file is run.

    The CPU because the state is copied to the device anyway, and because a lack of memory there is no damage.

    Raises:
        InvalidFile: the file is damaged.
        OSError: it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file fails in many ways, also by a place before its start (EINVAL)
        if _OUT_OF_MEMORY in str(error):
            raise MemoryError(f"{path}: {error}") from error
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise _damaged(path) from error
    if not isinstance(state, dict) or not state.keys() >= _PARTS or not _is_progress(state["position"]):
        raise _damaged(path)
    return state


def _is_progress(data: Any) -> bool:
    """Return whether data have keys of a `TrainingProgress` only, with values of their types."""
    try:
        known = asdict(msgspec.convert(data, TrainingProgress))
    except msgspec.ValidationError:
        return False
    return set(data) <= set(known) and set(data.get("search", ())) <= set(known["search"])


def finished_weights(state: Mapping[str, Any], final_weights: Path) -> Mapping[str, torch.Tensor]:
    """Return the weights in training at the end of a finished training.

    Args:
        state: of `save_final_state`.
        final_weights: the file of the final weights, which may be prepared ones.
    """
    weights: Mapping[str, torch.Tensor] = state.get("trained") or read_weights(final_weights)
    return weights


def _damaged(path: Path) -> InvalidFile:
    return InvalidFile(f"{path}: damaged, but the training resumes from it", Action.DELETE_RUN(folder=path.parent))


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore the state of an optimiser, whatever device it was saved on.

    The averages get the memory order of their parameters, which differs between devices and accelerators: fused
    optimisers combine elements at equal places in memory, not at equal indices.
    """
    optimizer.load_state_dict(state)
    for parameter, averages in optimizer.state.items():
        for name, average in averages.items():
            if isinstance(average, torch.Tensor) and average.shape == parameter.shape:
                averages[name] = torch.empty_like(parameter, dtype=average.dtype, requires_grad=False).copy_(average)
