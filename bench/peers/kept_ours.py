"""Run `nnplug run` and keep the weights at some iterations: PYTHON bench/peers/kept_ours.py OPTIONS.json.

OPTIONS: arguments (of nnplug, with -w), points (iterations), per_epoch, folder (weights go to
POINT/fold_0/weights_final.safetensors there), until (the iteration at which to stop, or null), found (stop as soon as
every class has this Dice). The trainer may be any that uses nnplug's loop over epochs of patches.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnplug_cli.main import main as nnplug
from nnplug_nnunet.training.callbacks import Callback, CallbackList, EpochValidation
from nnplug_nnunet.training.checkpoint import save_weights
from nnplug_nnunet.training.state import TrainingState


class EnoughSeen(BaseException):
    """The start of a training is over; no plugin is at fault, so that this is no `Exception`."""


class KeepWeights(Callback):
    """A callback that writes the validated weights at some iterations, and can end the training early."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Use the options of this script."""
        self._points, self._folder = set(options["points"]), Path(options["folder"])
        self._per_epoch, self._until, self._found = options["per_epoch"], options["until"], options["found"]
        words = options["arguments"]
        self._workspace = Path(words[words.index("-w") + 1])

    def on_validation_end(self, state: TrainingState, validation: EpochValidation) -> None:  # noqa: ARG002 - the event's
        """Write the weights of a point."""
        if not self._is_wanted(state):
            return
        iteration = (state.epoch + 1) * self._per_epoch
        if iteration in self._points:
            folder = self._folder / str(iteration) / "fold_0"
            folder.mkdir(parents=True, exist_ok=True)
            save_weights(state.network, folder / "weights_final.safetensors")

    def on_epoch_end(self, state: TrainingState, line: Any) -> None:
        """End the training if enough is seen."""
        if self._until is not None and self._is_wanted(state):
            dice = line.dice or ()
            all_found = bool(dice) and all(value is None or value > self._found for value in dice)
            if all_found or (state.epoch + 1) * self._per_epoch >= self._until:
                raise EnoughSeen

    def _is_wanted(self, state: TrainingState) -> bool:
        """Return whether this is the training of the workspace; before it, `run` times a short one elsewhere."""
        return self._workspace in state.task.run.path.parents


def main(options: Mapping[str, Any]) -> None:
    """Add the callback to those of every training of this process, then run the command."""
    begin = CallbackList.__init__

    def begin_with_ours(self: CallbackList, callbacks: Sequence[Callback], trainer: object) -> None:
        begin(self, (*callbacks, KeepWeights(options)), trainer)

    CallbackList.__init__ = begin_with_ours  # type: ignore[method-assign]
    try:
        nnplug(options["arguments"])
    except EnoughSeen:
        return


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
