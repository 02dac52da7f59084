"""Lists of trainings: the comparison with nnunetv2, the ablation, and the starts."""

from __future__ import annotations

from collections.abc import Sequence

from quality.datasets import DATASETS, PARTS, Data
from quality.figures import rounded
from quality.recipes import FOUND, LEVERS, OURS, THEIRS, Recipe
from quality.trainings import START_LIMIT, Training
from quality.work import Wanted

SEEDS = 3
STARTS = 10
ABLATED = ("hippocampus", "brats2013")
ABLATION = {"hippocampus": 300, "brats2013": 300}
"""Iterations of the default; a lever whose iterations cost more has fewer."""
_STEP = 25


def comparison(device: str = "cpu") -> list[Wanted]:
    """Return nnunetv2's and nnplug's default at nnunetv2's length: first one seed of all, then the others."""
    return [
        Wanted(Training(data, recipe, data.iterations, seed, device), PARTS)
        for seed in range(SEEDS)
        for data in DATASETS
        for recipe in (THEIRS, OURS)
    ]


def ablation(device: str = "cpu") -> list[Wanted]:
    """Return every lever alone at equal compute, scored on validation cases."""
    return [
        Wanted(Training(data, recipe, length_of(ABLATION[data.name], recipe), seed, device), PARTS[:1])
        for seed in range(SEEDS)
        for recipe in LEVERS
        for data in ablated()
    ]


def starts(device: str = "cpu") -> list[Wanted]:
    """Return the starts of ten seeds on Hippocampus, of the schedule of its whole training."""
    data = DATASETS[0]
    return [
        Wanted(Training(data, recipe, data.iterations, seed, device, until=START_LIMIT))
        for seed in range(STARTS)
        for recipe in FOUND
    ]


def length_of(iterations: int, recipe: Recipe) -> int:
    """Return the iterations of a lever that cost as much as those of the default."""
    return rounded(iterations * recipe.share, _STEP)


def ablated() -> Sequence[Data]:
    """Return the datasets of the ablation."""
    return [data for data in DATASETS if data.name in ABLATED]


def single(data: Data, recipe: Recipe, iterations: int, seed: int, device: str, *, test: bool) -> Wanted:
    """Return a training that no list has, scored on validation cases, and on test cases if that is wanted."""
    return Wanted(Training(data, recipe, iterations, seed, device), PARTS if test else PARTS[:1])
