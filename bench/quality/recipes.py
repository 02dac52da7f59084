"""What is trained on each side: nnunetv2's default, nnplug's, and levers that are added to it one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Which = Literal["ours", "theirs"]


@dataclass(frozen=True)
class Recipe:
    """A way to train.

    Attributes:
        name: one word, for file names and command lines.
        side: "theirs" is nnunetv2's default trainer; its patch and batch are those of the dataset here.
        words: of `nnplug run`: `--set` options and names of components.
        share: iterations as a share of the default's, for a lever whose iterations cost more or less.
        uneven: whether iterations of one training differ in cost, as with patches that grow.
    """

    name: str
    side: Which
    words: tuple[str, ...] = ()
    share: float = 1.0
    uneven: bool = False


THEIRS = Recipe("nnunetv2", "theirs")
OURS = Recipe("default", "ours")


def _trainer(name: str, **options: object) -> Recipe:
    words = (f"--set=trainer.{key}={str(value).lower()}" for key, value in options.items())
    return Recipe(name, "ours", tuple(words))


LEVERS = (
    OURS,
    _trainer("momentum-0.9", momentum=0.9),
    _trainer("momentum-0.95", momentum=0.95),
    _trainer("cosine", schedule="cosine"),
    _trainer("warm-up", warmup_epochs=2),
    _trainer("adamw", optimizer="adamw", initial_lr=0.001, weight_decay=0.01),
    _trainer("adamw-cosine", optimizer="adamw", initial_lr=0.001, weight_decay=0.01, schedule="cosine"),
    _trainer("adan", optimizer="adan", initial_lr=0.001, weight_decay=0.02),
    _trainer("one-resolution", deep_supervision=False),
    _trainer("foreground-half", oversampling=0.5),
    _trainer("no-mirroring", mirroring=False),
    Recipe("batch-4", "ours", ("--set=plan.batch_size=4",), share=0.5),
)
"""The ablation: each is compared with the first at equal compute, iterations times batch where the batch differs."""

FOUND = (OURS, _trainer("momentum-0.9", momentum=0.9))
"""Recipes whose start is compared."""

RECIPES = {recipe.name: recipe for recipe in (THEIRS, *LEVERS, *FOUND)}
