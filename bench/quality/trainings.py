"""One training: its length, the points at which its weights are kept, and the name of its record."""

from __future__ import annotations

from dataclasses import dataclass

from quality.datasets import Data
from quality.recipes import Recipe

POINTS = 8
_EPOCHS = (25, 20, 15, 10, 5)  # iterations; nnU-Net validates on a fifth as many batches
_FEWEST = 8
START_EPOCH = 5  # iterations between two looks at the start of a training
START_LIMIT = 400
FOUND = 0.05
"""The pseudo Dice above which a class counts as found."""


@dataclass(frozen=True)
class Training:
    """A training from scratch.

    Attributes:
        data: the dataset.
        recipe: how it trains.
        iterations: of the schedule of the learning rate.
        seed: nnunetv2's workers draw their own on top.
        device: "cpu" or "cuda".
        until: the iteration at which a training of which only the start matters ends, None for a whole one.
        bare: whether no weights are kept, to measure its pace.
        kept: how often weights are kept and scored; 1 where only the end matters.
    """

    data: Data
    recipe: Recipe
    iterations: int
    seed: int
    device: str = "cpu"
    until: int | None = None
    bare: bool = False
    kept: int = POINTS

    def __post_init__(self) -> None:
        """Raise `ValueError` for a length that has no whole epochs."""
        if self.iterations < 1 or self.iterations % _EPOCHS[-1]:
            raise ValueError(f"{self.iterations} iterations; expected a multiple of {_EPOCHS[-1]}")

    @property
    def per_epoch(self) -> int:
        """The iterations of an epoch: 25, or fewer for a short training."""
        if self.until is not None:
            return START_EPOCH
        fitting = (n for n in _EPOCHS if self.iterations % n == 0 and self.iterations // n >= _FEWEST)
        return next(fitting, _EPOCHS[-1])

    @property
    def val_per_epoch(self) -> int:
        """The validation batches of an epoch; a start is looked at with as many as it trains."""
        return self.per_epoch if self.until is not None else self.per_epoch // 5

    @property
    def epochs(self) -> int:
        """The epochs of the schedule."""
        return self.iterations // self.per_epoch

    @property
    def points(self) -> tuple[int, ...]:
        """The iterations at which weights are kept, the last one included; of a start or a bare one none are."""
        if self.until is not None or self.bare:
            return ()
        shares = (k / self.kept for k in range(1, self.kept + 1))
        return tuple(sorted({max(1, round(self.epochs * share)) * self.per_epoch for share in shares}))

    @property
    def name(self) -> str:
        """The name of the record and of the folder."""
        kind = "pace-" if self.bare else "start-" if self.until is not None else ""
        device = "" if self.device == "cpu" else f"-{self.device}"
        return f"{self.data.name}/{kind}{self.recipe.name}-{self.iterations}-seed{self.seed}{device}"
