"""Dice of Hippocampus' fold 0 against wall time: both from scratch on a CPU, batch 2, one schedule, equal epochs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from harness.row import Case, Goal, Outside, Row, Sample, Setting, Work
from harness.training import Budget, curve_of, train_ours, train_theirs

DATASET = "Dataset004_Hippocampus"
SMOOTHED = 120.0  # seconds: single epochs scatter, and in equal times both sides are averaged alike
Curve = Sequence[Sequence[float]]


def ours(setting: Setting, seconds: float, iterations: int) -> Work:
    """nnplug's curve."""
    dataset = setting.dataset(DATASET)

    def work() -> Sample:
        return {"curve": curve_of(train_ours(setting, dataset, _budget(seconds, iterations)))}

    return work


def theirs(setting: Setting, seconds: float, iterations: int) -> Work:
    """nnU-Net's curve."""
    dataset = setting.dataset(DATASET)
    return lambda: {"curve": curve_of(train_theirs(setting, dataset, _budget(seconds, iterations)))}


def lead(setting: Setting, ours: Sample, theirs: Sample) -> Sample:  # noqa: ARG001 - curves are all it needs
    """nnplug's Dice over nnU-Net's where it leads least, from the first moment at which both have one."""
    a, b = smoothed(ours["curve"]), smoothed(theirs["curve"])
    if not a or not b:
        return {}
    moments = [t for t, _ in (*a, *b) if t >= max(a[0][0], b[0][0])]
    return {"lead": min(_latest(a, t) - _latest(b, t) for t in moments)}


def smoothed(curve: Curve) -> list[tuple[float, float]]:
    """Each Dice the mean of those of the last two minutes."""
    return [(now, fmean(dice for t, dice in curve if now - SMOOTHED < t <= now)) for now, _ in curve]


def _latest(curve: Curve, moment: float) -> float:
    return [dice for t, dice in curve if t <= moment][-1]


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
            {"seconds": 1200.0, "iterations": 25},
            quick={"seconds": 90.0, "iterations": 2},
            goals=(Goal("lead", 0.0, of="nnplug", at_least=True),),
        ),
    ),
    note="Dice of validation patches after each epoch of 25 iterations, preprocessing not counted. The lead is "
    "nnplug's curve over nnU-Net's where it is smallest, both as means of the last two minutes, since the Dice of five "
    "batches scatters by 0.02.",
)
