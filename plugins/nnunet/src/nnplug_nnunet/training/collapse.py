"""Detect collapse: classes that the validation patches of a training contain, and that the network does not find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

FOUND = 0.05
"""The pseudo Dice from which a class counts as found; stray voxels of a network that ignores the class give less."""
SHARE = 0.05
"""The share of a training's epochs without a class after which it is noticed."""
LEAST_ITERATIONS = 400
"""Fewest iterations without a class: short trainings find it within these by themselves; see docs/collapse.md."""
LEAST_VALIDATIONS = 5
"""Fewest epochs whose validation contains the class."""


@dataclass(frozen=True)
class ClassSearch:
    """The classes that a training has found so far, and its rescue.

    Attributes:
        validated: per class or region, the number of epochs whose validation patches contain it.
        best: per class or region, the highest pseudo Dice of these epochs; 0 before the first.
        noticed: number of trained epochs when classes were noticed that are not found; None before.
        rescue_end: number of trained epochs when the rescue ends; None without one.
    """

    validated: tuple[int, ...] = ()
    best: tuple[float, ...] = ()
    noticed: int | None = None
    rescue_end: int | None = None

    def after(self, dice: Sequence[float], present: Sequence[bool]) -> ClassSearch:
        """Return the search after the validation of an epoch.

        Args:
            dice: pseudo Dice per class or region.
            present: whether the validation patches contain it. Where they do not, the pseudo Dice does not count: it is
                0 if the network finds the class by mistake, and NaN if it does not.
        """
        validated, best = self.validated or (0,) * len(dice), self.best or (0.0,) * len(dice)
        return replace(
            self,
            validated=tuple(count + there for count, there in zip(validated, present, strict=True)),
            best=tuple(max(b, d) if there else b for b, d, there in zip(best, dice, present, strict=True)),
        )

    def missing(self, validations: int) -> tuple[int, ...]:
        """Return the indices of the classes that are in this number of validations at least, and found in none."""
        pairs = enumerate(zip(self.validated, self.best, strict=True))
        return tuple(index for index, (count, best) in pairs if count >= validations and best < FOUND)

    def rescues(self, epoch: int) -> bool:
        """Return whether an epoch, counted from 0, is one of the rescue."""
        return self.noticed is not None and self.rescue_end is not None and self.noticed <= epoch < self.rescue_end


def epochs_to_wait(epochs: int, iterations_per_epoch: int) -> int:
    """Return the number of epochs without a class after which it is noticed.

    Args:
        epochs: epochs of the whole training.
        iterations_per_epoch: training batches per epoch.
    """
    return max(LEAST_VALIDATIONS, ceil(SHARE * epochs), ceil(LEAST_ITERATIONS / iterations_per_epoch))
