"""Dice of Hippocampus' fold 0 against wall time: both from scratch on a CPU, batch 2, one schedule, equal epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median

from harness.row import Case, Goal, Outside, Row, Sample, Setting, Work
from harness.training import Budget, curve_of, train_ours, train_theirs

DATASET = "Dataset004_Hippocampus"
SMOOTHED = 120.0  # seconds: single epochs scatter, and in equal times both sides are averaged alike
Curve = Sequence[Sequence[float]]


def ours(setting: Setting, seconds: Sequence[float], iterations: int) -> Work:
    """nnplug's trainings, of seeds 0, 1 and so on."""
    dataset = setting.dataset(DATASET)

    def train(run: int, budget: Budget) -> Curve:
        return curve_of(train_ours(setting, dataset, budget, [f"--seed={run}"]))

    return lambda: _trained(train, seconds, iterations)


def theirs(setting: Setting, seconds: Sequence[float], iterations: int) -> Work:
    """nnU-Net's, whose seeds are drawn."""
    dataset = setting.dataset(DATASET)

    def train(run: int, budget: Budget) -> Curve:  # noqa: ARG001 - its trainer takes no seed
        return curve_of(train_theirs(setting, dataset, budget))

    return lambda: _trained(train, seconds, iterations)


def lead(setting: Setting, ours: Sample, theirs: Sample) -> Sample:  # noqa: ARG001 - curves are all it needs
    """nnplug's Dice over nnU-Net's where it leads least."""
    a, b = ours["curve"], theirs["curve"]
    moments = [t for t, _ in (*a, *b)]
    return {"lead": min(_latest(a, t) - _latest(b, t) for t in moments)} if a and b else {}


def middle(runs: Sequence[Curve]) -> Curve:
    """The median of the trainings that have lasted so long, smoothed; before its first epoch each is 0."""
    smooth = [_smoothed(run) for run in runs]
    moments = sorted({t for run in smooth for t, _ in run})
    return [(now, median(_latest(run, now) for run in smooth if now <= run[-1][0])) for now in moments]


def _smoothed(curve: Curve) -> Curve:
    """Each Dice the mean of those of the last two minutes."""
    return [(now, fmean(dice for t, dice in curve if now - SMOOTHED < t <= now)) for now, _ in curve]


def _latest(curve: Curve, moment: float) -> float:
    return next((dice for t, dice in reversed(curve) if t <= moment), 0.0)


def _trained(train: Callable[[int, Budget], Curve], seconds: Sequence[float], iterations: int) -> Sample:
    runs = [train(run, _budget(limit, iterations)) for run, limit in enumerate(seconds)]
    return {"runs": runs, "curve": middle(runs)}


def _budget(seconds: float, iterations: int) -> Budget:
    return Budget(
        iterations=iterations,
        val_iterations=max(1, iterations // 5),
        epochs=1000,
        device="cpu",
        seconds=seconds,
        batch=2,
    )


ROW = Row(
    title="Dice against wall time, Hippocampus fold 0, batch 2, CPU",
    ours=Outside(ours),
    theirs=Outside(theirs),
    compare=lead,
    rounds=1,
    apart=True,
    cases=(
        Case(
            "20 minutes",
            {"seconds": [1200.0, 600.0, 600.0], "iterations": 25},
            quick={"seconds": [90.0, 30.0], "iterations": 2},
            goals=(Goal("lead", 0.0, of="nnplug", at_least=True),),
        ),
    ),
    note="Dice of validation patches after each epoch of 25 iterations, preprocessing not counted, each the mean of "
    "the last two minutes since five batches scatter by 0.02. When the second class is found is luck on both sides: a "
    "curve is the median of three trainings for ten minutes, from then on the one that goes on to twenty. The lead is "
    "nnplug's curve over nnU-Net's where it is smallest.",
)
