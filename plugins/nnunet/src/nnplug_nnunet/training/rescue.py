"""Tell of classes that a training does not find, and rescue them: lower momentum and class-balanced patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from nnplug.contracts import TrainingTask
from nnplug.errors import Line, within
from nnplug.remedies import Action, Remedy
from nnplug_nnunet.training.batch_settings import BatchSettings
from nnplug_nnunet.training.callbacks import EpochValidation
from nnplug_nnunet.training.collapse import ClassSearch, epochs_to_wait
from nnplug_nnunet.training.steps import PatchSteps

MOMENTUM = 0.9
"""The highest momentum in a rescue."""
_LISTED = 5
"""The largest number of classes that a message names."""


class Rescue:
    """The notices and the rescue of one training.

    All depends on the `ClassSearch`, which is equal on all devices and is saved with the state of the training.
    """

    def __init__(self, trainer: PatchSteps, task: TrainingTask, optimizer: torch.optim.Optimizer) -> None:
        """Remember the momentum of an optimiser whose state is not restored yet.

        Args:
            trainer: its options and the sampler of a rescue.
            task: the training.
            optimizer: groups of parameters with the key "momentum" get a lower one in a rescue.
        """
        self._trainer, self._task, self._optimizer = trainer, task, optimizer
        self._momenta = [_momentum(group) for group in optimizer.param_groups]
        self._wait = epochs_to_wait(trainer.epochs, trainer.iterations_per_epoch)
        self._sampler = trainer.rescue_sampler(task)

    def begin_epoch(self, search: ClassSearch, epoch: int) -> bool:
        """Set the momentum of an epoch: lower in the rescue, as before in the first epoch after it.

        Returns:
            whether the epoch is one of the rescue.
        """
        if search.rescues(epoch):
            self._limit_momentum(MOMENTUM)
        elif epoch == search.rescue_end:
            self._limit_momentum(1.0)
        return search.rescues(epoch)

    def batch_settings(self, search: ClassSearch, settings: BatchSettings, epoch: int) -> BatchSettings:
        """Return the settings of the training batches of an epoch, with other patches in a rescue.

        Args:
            search: at the end of the last epoch.
            settings: without a rescue.
            epoch: counted from 0.
        """
        if self._sampler is None or not search.rescues(epoch):
            return settings
        return replace(settings, sampler=self._sampler)

    def after_epoch(self, search: ClassSearch, trained: int, found: EpochValidation) -> ClassSearch:
        """Return the search after an epoch; tell of classes that are not found, and of the end of a rescue.

        Args:
            search: before the epoch.
            trained: number of trained epochs, with this one.
            found: the validation of the epoch.
        """
        search = search.after(found.dice, found.present)
        missing = search.missing(self._wait)
        if search.noticed is None and missing and trained < self._trainer.epochs:
            return self._notice(replace(search, noticed=trained), missing, trained)
        if search.rescues(trained - 1):
            return self._end_rescue(search, missing, trained)
        return search

    def report_at_end(self, search: ClassSearch, trained: int) -> None:
        """Tell of classes that the finished training has not found."""
        if missing := search.missing_at_end(self._wait):
            text = f"the training ends after {trained} epochs, and {self._named(missing)} not found"
            self._report(Line(f"{text} {_since(search, missing)}.", self._remedy_at_end()))

    def _notice(self, search: ClassSearch, missing: Sequence[int], trained: int) -> ClassSearch:
        """Tell of classes that are not found; begin the rescue if the options say so."""
        epochs = self._trainer.epochs
        text = f"after {trained} of {epochs} epochs, {self._named(missing)} not found {_since(search, missing)}"
        if not self._trainer.rescue:
            text = f"{text}; a rescue lowers the momentum and draws all classes equally often."
            self._report(Line(text, Action.SET_OPTION(assignment="trainer.rescue=true")))
            return search
        measures = self._measures()
        if not measures:
            self._report(f"{text}; no rescue, because the optimiser has no momentum and the plans name a sampler")
            return search
        end = min(trained + self._wait, epochs)
        self._report(f"{text}; the rescue begins: {measures} until all are found, at most until epoch {end}")
        return replace(search, rescue_end=end)

    def _end_rescue(self, search: ClassSearch, missing: Sequence[int], trained: int) -> ClassSearch:
        """Return the search with the end of its rescue: once all classes are found, or the planned last epoch."""
        if not missing:
            self._report(f"all classes are found after {trained} epochs; the rescue ends")
            return replace(search, rescue_end=trained)
        if trained == search.rescue_end:
            self._report(f"{self._named(missing)} not found by the rescue, which ends after {trained} epochs")
        return search

    def _measures(self) -> str:
        """Return the changes of a rescue in words; empty if it can change nothing."""
        lowered = any(momentum > MOMENTUM for momentum in self._momenta if momentum is not None)
        momentum = [f"momentum {MOMENTUM}"] if lowered else []
        patches = ["class-balanced patches"] if self._sampler is not None else []
        return " and ".join(momentum + patches)

    def _limit_momentum(self, highest: float) -> None:
        """Give every group of parameters the lower one of its own momentum and this one."""
        for group, own in zip(self._optimizer.param_groups, self._momenta, strict=True):
            if own is not None:
                group["momentum"] = min(own, highest)

    def _remedy_at_end(self) -> Remedy:
        """Return the remedy for a class that a finished training has not found."""
        if self._wait >= self._trainer.epochs:  # too short for a rescue
            return Action.SET_OPTION(assignment=f"trainer.epochs={2 * self._wait}")
        return Action.VERIFY() if self._trainer.rescue else Action.SET_OPTION(assignment="trainer.rescue=true")

    def _named(self, missing: Sequence[int]) -> str:
        """Return the names of classes or regions, with the verb."""
        labels, one = self._task.labels.by_output, len(missing) == 1
        names = ", ".join(repr(labels.foreground_names[index]) for index in missing[:_LISTED])
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        noun = ("region" if one else "regions") if labels.has_regions else ("class" if one else "classes")
        return f"{noun} {names}{more} {'is' if one else 'are'}"

    def _report(self, line: str) -> None:
        self._task.progress.notice(within(f"{self._task.run.path}: ", line))


def _momentum(group: Mapping[str, Any]) -> float | None:
    """Return the momentum of a group of parameters; None if its optimiser has none, or something else by this name."""
    momentum = group.get("momentum")
    return float(momentum) if isinstance(momentum, int | float) else None


def _since(search: ClassSearch, missing: Sequence[int]) -> str:
    """Return the number of epochs without these classes, and their highest pseudo Dice, in words."""
    epochs, best = (
        values(of[index] for index in missing) for values, of in ((min, search.without), (max, search.best))
    )
    return f"in {epochs} epochs (highest pseudo Dice {best:.2g})"
