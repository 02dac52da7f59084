"""The files of a training: the state that it resumes from, its best weights, and the final ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from nnplug.workspace.layout import RunFolder
from nnplug_nnunet.training.averaged_weights import holding
from nnplug_nnunet.training.callbacks import CallbackList
from nnplug_nnunet.training.checkpoint import (
    TrainingProgress,
    finished_weights,
    load_optimizer,
    load_state,
    save_final_state,
    save_state,
    save_weights,
)
from nnplug_nnunet.training.state import PreparedWeights


@dataclass(frozen=True)
class TrainingFiles:
    """The parts of a training that have a state, and the folder in which it is saved.

    Attributes:
        run: the folder.
        network: the network in training.
        optimizer: its optimiser.
        scaler: the scaler of float16, which may be off.
        prepared: the weights to validate and predict with, None for those in training.
        callbacks: the callbacks, some of which have a state.
        is_main: whether this process writes; the others of a training on several devices only restore.
    """

    run: RunFolder
    network: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    prepared: PreparedWeights | None
    callbacks: CallbackList
    is_main: bool

    def save_state(self, progress: TrainingProgress) -> None:
        """Write the state that an interrupted training resumes from."""
        save_state(self.run.state, self.network, {**self._states(), **self._own_states()}, progress)

    def save_best(self) -> None:
        """Write the weights that the network holds as the best ones."""
        save_weights(self.network, self.run.best_weights)

    def save_final(self, progress: TrainingProgress) -> None:
        """Write the final weights and the state that extends a finished training; remove the state to resume from."""
        own = self._own_states()
        if self.prepared is not None:  # the final weights are the prepared ones
            own["trained"] = self.network.state_dict()
        # the weights last: with them the run counts as finished, and it must have the state to be extended
        save_final_state(self.run.final_state, self._states(), progress, own)
        with holding(self.network, self.prepared):
            save_weights(self.network, self.run.final_weights)
        self.run.state.unlink(missing_ok=True)

    def restore(self) -> TrainingProgress:
        """Load the saved state into all parts, and return the progress.

        Raises:
            InvalidFile: the state is damaged.
            OSError: it cannot be read.
        """
        state = load_state(self.run.state)
        is_extension = "network" not in state
        weights = finished_weights(state, self.run.final_weights) if is_extension else state["network"]
        self.network.load_state_dict(weights)
        load_optimizer(self.optimizer, state["optimizer"])
        if state["scaler"]:  # empty if the training began without a scaler, on another device or in another precision
            self.scaler.load_state_dict(state["scaler"])
        if self.prepared is not None and "prepared" in state:
            self.prepared.load_state_dict(state["prepared"])
        self.callbacks.load_state_dict(state.get("callbacks", {}))
        progress = TrainingProgress.restored(state["position"])
        if not is_extension:
            return progress
        progress = replace(progress, best_epoch=progress.epoch)
        if self.is_main:  # at once, because this training replaces the final weights
            self.save_state(progress)
        return progress

    def _states(self) -> dict[str, Any]:
        return {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}

    def _own_states(self) -> dict[str, Any]:
        """Return the states of prepared weights and callbacks, as far as there are any."""
        prepared = {} if self.prepared is None else {"prepared": dict(self.prepared.state_dict())}
        called = self.callbacks.state_dict()
        return {**prepared, **({"callbacks": called} if called else {})}
