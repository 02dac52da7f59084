"""nnU-Net's losses as components: soft Dice, cross-entropy (binary for regions), its highest tenth, and their sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnplug.contracts import Loss, LossContext, LossFunction
from nnplug_nnunet.training.losses.details import DEFAULTS, SMOOTH, TOP_FRACTION, Details
from nnplug_nnunet.training.losses.functions import LossName, make_loss


@dataclass(frozen=True, kw_only=True)
class NnunetLoss(Loss):
    """A loss of nnU-Net 2.8.1; a subclass names its terms."""

    terms: ClassVar[LossName]

    def details(self) -> Details:
        """Return the numbers of the terms."""
        return DEFAULTS

    def bind(self, context: LossContext) -> LossFunction:
        """See `nnplug.contracts.Loss`."""
        return make_loss(
            self.terms,
            context.labels,
            batch_dice=context.batch_dice,
            world=context.world,
            details=self.details(),
            device=context.device,
        )


@dataclass(frozen=True, kw_only=True)
class Dice(NnunetLoss):
    """Soft Dice of the foreground.

    Attributes:
        smooth: constant that is added to numerator and denominator.
    """

    terms: ClassVar[LossName] = "dice"
    smooth: float = SMOOTH

    def __post_init__(self) -> None:
        """Raise `ValueError` if the constant is below 0."""
        if self.smooth < 0:
            raise ValueError(f"smooth is {self.smooth}; it must be at least 0")

    def details(self) -> Details:
        """Return the numbers of the terms."""
        return Details(smooth=self.smooth)


@dataclass(frozen=True, kw_only=True)
class DiceCE(Dice):
    """Soft Dice of the foreground plus cross-entropy: nnU-Net's default."""

    terms: ClassVar[LossName] = "dice-ce"


@dataclass(frozen=True, kw_only=True)
class CE(NnunetLoss):
    """Cross-entropy."""

    terms: ClassVar[LossName] = "ce"


@dataclass(frozen=True, kw_only=True)
class TopK(NnunetLoss):
    """Cross-entropy of the voxels where it is highest.

    Attributes:
        fraction: share of the voxels that count.
        label_smoothing: share of each voxel's label that is spread evenly over all classes; not for regions.
    """

    terms: ClassVar[LossName] = "topk"
    fraction: float = TOP_FRACTION
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        """Raise `ValueError` if no or too many voxels would count, or the smoothing is out of range."""
        if not 0 < self.fraction <= 1:
            raise ValueError(f"fraction is {self.fraction}; it must be above 0 and at most 1")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing is {self.label_smoothing}; it must be from 0 to below 1")

    def details(self) -> Details:
        """Return the numbers of the terms."""
        return Details(top_fraction=self.fraction, label_smoothing=self.label_smoothing)


@dataclass(frozen=True, kw_only=True)
class DiceTopK(TopK):
    """Soft Dice of the foreground plus cross-entropy of the voxels where it is highest."""

    terms: ClassVar[LossName] = "dice-topk"


LOSSES: tuple[type[NnunetLoss], ...] = (DiceCE, Dice, CE, TopK, DiceTopK)


def loss_of(name: LossName) -> NnunetLoss:
    """Return the loss with these terms and the default options."""
    return next(made for made in LOSSES if made.terms == name)()
