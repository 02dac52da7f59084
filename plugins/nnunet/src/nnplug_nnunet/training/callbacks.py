"""Callbacks: objects that a training calls at its events, such as the end of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nnplug.contracts import LogLine
from nnplug.errors import ComponentFailed, InvalidPlugin, NnplugError
from nnplug.registry.attribution import name_of
from nnplug.runtime.device_memory import lacks_memory
from nnplug_nnunet.training.batch_settings import BatchSettings
from nnplug_nnunet.training.state import PatchBatch, TrainingState


@dataclass(frozen=True)
class EpochValidation:
    """The validation of an epoch.

    Attributes:
        loss: mean over the validation batches of all devices.
        dice: pseudo Dice per class or region, in the order of `Labels.by_output`; NaN for one that occurs in no batch.
        batch: the last batch of this process, on the device; for pictures.
        logits: (B, K, *patch), of the last batch.
        present: per class or region, whether the label maps of the validation patches contain it.
    """

    loss: float
    dice: tuple[float, ...]
    batch: PatchBatch
    logits: Tensor
    present: tuple[bool, ...]


class Callback:
    """The events of a training. Override those to follow; the others do nothing.

    With several devices every process has its own callbacks, and calls them at the same events: write files only where
    `state.task.world.is_main`. `on_checkpoint` is called on the main process only.
    """

    def on_train_start(self, state: TrainingState) -> None:
        """React to the start of a training, also to one that resumes."""

    def on_iteration_end(self, state: TrainingState, loss: Tensor) -> None:
        """React to an update of the weights. Copying the loss to the host makes the device wait.

        Args:
            state: the training.
            loss: scalar on the device, without gradient.
        """

    def on_validation_end(self, state: TrainingState, validation: EpochValidation) -> None:
        """React to the validation of an epoch; the network holds the prepared weights."""

    def on_epoch_end(self, state: TrainingState, line: LogLine) -> None:
        """React to a new line of `log.jsonl`; the network holds the weights in training."""

    def on_checkpoint(self, state: TrainingState, path: Path) -> None:
        """React to a new file with the best weights, or with the state of the training.

        The best weights are saved after every epoch that improves; the state as often as 1/20 of the time allows.
        """

    def on_train_end(self, state: TrainingState) -> None:
        """React to the end of the training; the run has its final weights."""

    def batch_settings(self, settings: BatchSettings, epoch: int) -> BatchSettings:  # noqa: ARG002 - for subclasses
        """Return the settings of the training batches of an epoch; by default those that the trainer gives.

        Override it to change the batches because of earlier epochs, and keep in `state_dict` what the change depends
        on. It is called when the epoch begins, and before that for an outlook: it changes nothing itself. With several
        devices all processes return the same.

        Args:
            settings: of `PatchTrainer.batch_settings`, changed by the callbacks before this one.
            epoch: counted from 0.
        """
        return settings

    def state_dict(self) -> Mapping[str, Any]:
        """Return what a resumed training needs: tensors, numbers, strings and None, in dictionaries and lists."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from an earlier, non-empty `state_dict`."""


class CallbackList:
    """The callbacks of one training, called in order; an error names the callback and its trainer."""

    def __init__(self, callbacks: Sequence[Callback], trainer: object) -> None:
        """Check the callbacks of a trainer.

        Raises:
            InvalidPlugin: one is no `Callback`.
        """
        self._trainer = name_of(trainer)
        self._callbacks = tuple(callbacks)
        for callback in self._callbacks:
            if not isinstance(callback, Callback):
                raise InvalidPlugin(f"callbacks of {self._trainer} gave {callback!r}, which is no Callback")
        # an iteration takes milliseconds: callbacks that do not override the method are never called
        self._per_iteration = tuple(
            callback for callback in self._callbacks if type(callback).on_iteration_end is not Callback.on_iteration_end
        )

    def __len__(self) -> int:
        """Return the number of callbacks."""
        return len(self._callbacks)

    @property
    def follow_iterations(self) -> bool:
        """Return whether a callback overrides `on_iteration_end`."""
        return bool(self._per_iteration)

    def train_start(self, state: TrainingState) -> None:
        """Call `on_train_start` of all callbacks."""
        self._call("on_train_start", lambda callback: callback.on_train_start(state))

    def iteration_end(self, state: TrainingState, loss: Tensor) -> None:
        """Call `on_iteration_end` of the callbacks that override it."""
        for callback in self._per_iteration:
            with self._attributed(callback, "on_iteration_end"):
                callback.on_iteration_end(state, loss)

    def validation_end(self, state: TrainingState, validation: EpochValidation) -> None:
        """Call `on_validation_end` of all callbacks."""
        self._call("on_validation_end", lambda callback: callback.on_validation_end(state, validation))

    def epoch_end(self, state: TrainingState, line: LogLine) -> None:
        """Call `on_epoch_end` of all callbacks."""
        self._call("on_epoch_end", lambda callback: callback.on_epoch_end(state, line))

    def checkpoint(self, state: TrainingState, path: Path) -> None:
        """Call `on_checkpoint` of all callbacks."""
        self._call("on_checkpoint", lambda callback: callback.on_checkpoint(state, path))

    def train_end(self, state: TrainingState) -> None:
        """Call `on_train_end` of all callbacks."""
        self._call("on_train_end", lambda callback: callback.on_train_end(state))

    def batch_settings(self, settings: BatchSettings, epoch: int) -> BatchSettings:
        """Return the settings of the training batches of an epoch as the callbacks change them."""
        for callback in self._callbacks:
            with self._attributed(callback, "batch_settings"):
                settings = callback.batch_settings(settings, epoch)
        return settings

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the callbacks that have one.

        Raises:
            InvalidPlugin: a state holds something else than tensors, numbers and strings.
        """
        states: dict[str, Any] = {}
        for key, callback in self._keys():
            with self._attributed(callback, "state_dict"):
                state = dict(callback.state_dict())
            if unknown := next(_unsaved(state), None):
                raise InvalidPlugin(
                    f"state_dict of callback {_name(callback)} of {self._trainer} holds {unknown}; expected tensors, "
                    "numbers, strings and None, in dictionaries and lists"
                )
            if state:
                states[key] = state
        return states

    def load_state_dict(self, states: Mapping[str, Any]) -> None:
        """Give every callback its state; one that had none keeps that of its start."""
        for key, callback in self._keys():
            if key in states:
                with self._attributed(callback, "load_state_dict"):
                    callback.load_state_dict(states[key])

    def _keys(self) -> Iterator[tuple[str, Callback]]:
        """Yield each callback with its key in a saved state."""
        for index, callback in enumerate(self._callbacks):
            yield f"{index} {_name(callback)}", callback

    def _call(self, event: str, call: Callable[[Callback], None]) -> None:
        for callback in self._callbacks:
            with self._attributed(callback, event):
                call(callback)

    @contextmanager
    def _attributed(self, callback: Callback, event: str) -> Iterator[None]:
        try:
            yield
        except (NnplugError, MemoryError):
            raise
        except Exception as error:
            if lacks_memory(error):
                raise
            what = " ".join(f"{type(error).__name__}: {error}".split())
            raise ComponentFailed(f"callback {_name(callback)} of {self._trainer} failed in {event}: {what}") from error


def _name(callback: Callback) -> str:
    return type(callback).__qualname__


def _unsaved(value: Any) -> Iterator[str]:
    """Yield the type of each value that a state file cannot hold."""
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            yield from _unsaved(item)
    elif value is not None and not isinstance(value, Tensor) and type(value) not in (bool, int, float, str):
        yield type(value).__name__
