"""Lists of trainings: the comparison with nnunetv2, recipes at several lengths, the ablation, and the starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from quality.datasets import DATASETS, PARTS, Part, dataset
from quality.figures import rounded
from quality.recipes import CHANGED, FAST, FOUND, LEVERS, OURS, THEIRS, Recipe
from quality.trainings import START_LIMIT, Training
from quality.work import Wanted

SEEDS = 3
STARTS = 10
SHARES = (0.1, 0.2, 0.25, 1.0)
"""Lengths of a fast recipe as shares of nnunetv2's."""
ABLATION = {"hippocampus": 250, "brats2013": 150}
"""Iterations of the default; a lever whose iterations cost more has fewer, one whose cost less has more."""
_STEP = 5


def comparison(device: str = "cpu") -> list[Wanted]:
    """Return nnunetv2's and nnplug's default at nnunetv2's length: first one seed of all, then the others."""
    return [
        Wanted(Training(data, recipe, data.iterations, seed, device), PARTS)
        for seed in range(SEEDS)
        for data in DATASETS
        for recipe in (THEIRS, OURS)
    ]


def recipes(device: str = "cpu") -> list[Wanted]:
    """Return the fast recipe at several lengths, scored on validation cases: choices are made by these."""
    return list(_recipes(device, PARTS[:1]))


def final(device: str = "cpu") -> list[Wanted]:
    """Return the same scored on test cases too, when all choices are made."""
    return list(_recipes(device, PARTS))


def _recipes(device: str, parts: tuple[Part, ...]) -> Iterator[Wanted]:
    for seed in range(SEEDS):
        for data in DATASETS:
            for share in SHARES:
                yield Wanted(Training(data, FAST, rounded(data.iterations * share, 5), seed, device), parts)


def ablation(device: str = "cpu") -> list[Wanted]:
    """Return every lever alone at equal compute, scored on validation cases at its end."""
    return _changes(LEVERS, ABLATION, device)


def changes(device: str = "cpu") -> list[Wanted]:
    """Return the fast recipe with one thing changed, at equal compute, scored on validation cases at its end."""
    lengths = {name: rounded(dataset(name).iterations * SHARES[1], _STEP) for name in ABLATION}
    return _changes(CHANGED, lengths, device)


def _changes(some: Sequence[Recipe], lengths: Mapping[str, int], device: str) -> list[Wanted]:
    return [
        Wanted(Training(dataset(name), recipe, length_of(length, recipe), seed, device, kept=1), PARTS[:1])
        for seed in range(SEEDS)
        for recipe in some
        for name, length in lengths.items()
    ]


def starts(device: str = "cpu") -> list[Wanted]:
    """Return the starts of ten seeds on Hippocampus: of whole trainings, and of the fast recipe at a tenth."""
    data = DATASETS[0]
    short = (FAST, rounded(data.iterations * SHARES[0], 5))
    return [
        Wanted(Training(data, recipe, length, seed, device, until=min(START_LIMIT, length)))
        for seed in range(STARTS)
        for recipe, length in (*((recipe, data.iterations) for recipe in FOUND), short)
    ]


def length_of(iterations: int, recipe: Recipe) -> int:
    """Return the iterations of a lever that cost as much as those of the default."""
    return rounded(iterations * recipe.share, _STEP)
