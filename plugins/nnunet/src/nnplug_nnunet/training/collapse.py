"""Detect collapse: classes that the validation patches of a training contain, and that the network does not find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

FOUND = 0.05
"""The pseudo Dice from which a class counts as found; stray voxels of a network that ignores the class give less."""
SHARE = 0.05
"""The share of a training's epochs without a class after which it is noticed."""
LEAST_ITERATIONS = 600
"""Fewest iterations without a class; the slowest start that was measured takes 450, see docs/collapse.md."""
LEAST_VALIDATIONS = 5
"""Fewest epochs whose validation contains the class."""


@dataclass(frozen=True)
class ClassSearch:
    """The classes that a training has found so far, and its rescue.

    An epoch counts for a class if its validation patches contain the class.

    Attributes:
        validated: per class or region, the number of epochs that count.
        without: per class or region, the last ones of them whose pseudo Dice is below `FOUND`, without a break. A class
            of a new network can be above it by chance, so a class found once may be lost again.
        best: per class or region, the highest pseudo Dice of these last ones.
        noticed: number of trained epochs when classes were noticed that are not found; None before.
        rescue_end: number of trained epochs when the rescue ends; None without one.
    """

    validated: tuple[int, ...] = ()
    without: tuple[int, ...] = ()
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
        none = (0,) * len(dice)
        before = zip(self.validated or none, self.without or none, self.best or (0.0,) * len(dice), strict=True)
        counts = [
            _counted(*old, score) if there else old for old, score, there in zip(before, dice, present, strict=True)
        ]
        validated, without, best = zip(*counts, strict=True)
        return replace(self, validated=validated, without=without, best=best)

    def missing(self, wait: int) -> tuple[int, ...]:
        """Return the indices of the classes that were not found in this number of epochs, the last ones that count."""
        return tuple(index for index, count in enumerate(self.without) if count >= wait)

    def missing_at_end(self, wait: int) -> tuple[int, ...]:
        """Return the same, and the classes that were never found in fewer epochs, but `LEAST_VALIDATIONS`."""
        pairs = enumerate(zip(self.validated, self.without, strict=True))
        return tuple(index for index, (count, without) in pairs if without >= min(wait, max(count, LEAST_VALIDATIONS)))

    def rescues(self, epoch: int) -> bool:
        """Return whether an epoch, counted from 0, is one of the rescue."""
        return self.noticed is not None and self.rescue_end is not None and self.noticed <= epoch < self.rescue_end


def _counted(validated: int, without: int, best: float, dice: float) -> tuple[int, int, float]:
    """Return the counts of a class after an epoch that counts."""
    return (validated + 1, 0, 0.0) if dice >= FOUND else (validated + 1, without + 1, max(best, dice))


def epochs_to_wait(epochs: int, iterations_per_epoch: int) -> int:
    """Return the number of epochs without a class after which it is noticed.

    Args:
        epochs: epochs of the whole training.
        iterations_per_epoch: training batches per epoch.
    """
    return max(LEAST_VALIDATIONS, ceil(SHARE * epochs), ceil(LEAST_ITERATIONS / iterations_per_epoch))
