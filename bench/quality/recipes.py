"""What is trained on each side: nnunetv2's default, nnplug's, levers added to it one at a time, and recipes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Literal

Which = Literal["ours", "theirs"]
FAST_WORDS = ("--recipe=fast",)


@dataclass(frozen=True)
class Recipe:
    """A way to train.

    Attributes:
        name: one word, for file names and command lines.
        side: "theirs" is nnunetv2's default trainer; its patch and batch are those of the dataset here.
        words: of `nnplug run`: `--set` options and names of components.
        share: iterations as a share of the default's, for a lever whose iterations cost more or less.
        uneven: whether iterations of one training differ in cost, as with patches that grow.
        paced_as: the recipe that computes the same operations in an iteration, whose pace serves for this one.
    """

    name: str
    side: Which
    words: tuple[str, ...] = ()
    share: float = 1.0
    uneven: bool = False
    paced_as: str = ""


def _lever(name: str, **options: object) -> Recipe:
    """Return nnU-Net's training with other options; the trainer `fast` without options is nnU-Net's."""
    return Recipe(name, "ours", ("--trainer=fast", *_words(options)))


def _changed(name: str, **options: object) -> Recipe:
    """Return the fast recipe with other options."""
    return Recipe(f"fast-{name}", "ours", (*FAST_WORDS, *_words(options)))


def _words(options: dict[str, object]) -> tuple[str, ...]:
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in options.items()}
    return tuple(f"--set=trainer.{key}={value}" for key, value in values.items())


THEIRS = Recipe("nnunetv2", "theirs")
OURS = Recipe("default", "ours")
FAST = Recipe("fast", "ours", FAST_WORDS)

LEVERS = (
    OURS,
    *(
        replace(one, paced_as="default")
        for one in (
            _lever("linear", schedule="linear"),
            _lever("cosine", schedule="cosine"),
            _lever("warm-up", warmup=0.1),
            _lever("momentum-0.9", momentum=0.9),
            _lever("momentum-warm-up", momentum_warmup=0.1),
            _lever("class-bias", class_bias=True),
            _lever("balanced-start", balanced=0.1),
            _lever("balanced", balanced=1.0),
            _lever("foreground-half", oversampling=0.5),
            _lever("no-mirroring", mirroring=False),
        )
    ),
    _lever("adamw", optimizer="adamw", initial_lr=0.001, weight_decay=0.01),
    _lever(
        "adamw-linear-warm-up", optimizer="adamw", initial_lr=0.001, weight_decay=0.01, schedule="linear", warmup=0.1
    ),
    _lever("muon", optimizer="muon", initial_lr=0.003, weight_decay=0.01),
    _lever("muon-linear-warm-up", optimizer="muon", initial_lr=0.003, weight_decay=0.01, schedule="linear", warmup=0.1),
    _lever("averaged-weights", ema=0.02),
    _lever("one-resolution", deep_supervision=False),
    _lever("dice-topk", loss="dice-topk"),
    _lever("dice-alone", loss="dice"),
    replace(_lever("growing", growth="efficiency", oversampling=0.5), share=2.0, uneven=True),
    replace(_lever("growing-performance", growth="performance", oversampling=0.5), uneven=True),
    Recipe("batch-4", "ours", ("--set=plan.batch_size=4",), share=0.5),
    FAST,
)
"""The ablation: each is compared with the first at equal compute, and the last is several together."""

FOUND = tuple(one for one in LEVERS if one.name in ("default", "momentum-warm-up", "class-bias", "balanced", "fast"))
"""Recipes whose start is compared."""

CHANGED = (
    FAST,
    _changed("whole-kernels", muon_rows=100_000),
    _changed("adamw", optimizer="adamw", initial_lr=0.001),
    *(
        replace(one, paced_as="fast")
        for one in (
            _changed("mirrored", keep_order=False),
            _changed("no-mirroring", mirroring=False),
            _changed("no-class-bias", class_bias=False),
            _changed("no-momentum-warm-up", momentum_warmup=0),
            _changed("rate-0.006", initial_lr=0.006),
            _changed("rate-0.01", initial_lr=0.01),
        )
    ),
    replace(_changed("growing", growth="efficiency"), share=2.0, uneven=True),
)
"""The fast recipe, and it with one thing changed, at equal compute."""

RECIPES = {recipe.name: recipe for recipe in (THEIRS, *LEVERS, *CHANGED)}
