"""Seconds per iteration on quiet cores: some epochs of a training, between two steps that are always the same."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median

from harness.measure import DISTURBED, Load
from harness.session import OWN_PYTHON, Died, output_of

from quality.records import Epoch, Pace
from quality.side import side_of
from quality.trainings import POINTS, Training
from quality.work import Bench

_YARD = Path(__file__).parents[1] / "peers" / "yard.py"
_EVEN = 20  # iterations: four epochs of five, of which the first one warms up
_UNEVEN = 80  # iterations: an epoch of ten for each part


def measure_pace(training: Training, bench: Bench) -> Pace:
    """Measure the pace of a training of this dataset, recipe and device; its length does not matter.

    Raises:
        Died: a command failed.
        Busy: other programs computed meanwhile.
    """
    uneven = training.recipe.uneven
    short = replace(training, iterations=_UNEVEN if uneven else _EVEN, seed=0, until=None, bare=True)
    shutil.rmtree(bench.scratch / short.name, ignore_errors=True)
    prepared, place, side, load = bench.prepared(short), bench.place(short), side_of(short), Load()
    with load.watched():
        before = _yard(training.device)
        side.train(short, prepared, place, None)
        after = _yard(training.device)
    epochs = side.epochs(short, place)
    shutil.rmtree(place.folder, ignore_errors=True)
    if load.others is not None and load.others > DISTURBED:
        raise Busy(f"{training.data.name} {training.recipe.name}: others used {load.others:.0%} of the cores")
    return Pace(
        seconds=by_part(epochs, short.per_epoch, POINTS) if uneven else (steady(epochs, short.per_epoch),),
        yard=(before, after),
        others=load.others,
        date=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        versions=dict(bench.versions),
    )


class Busy(Exception):
    """Other programs used the cores during a measurement."""


def steady(epochs: Sequence[Epoch], per_epoch: int) -> float:
    """Return the seconds of an iteration, with its share of the validation: the median without the first epoch.

    Raises:
        Died: there is one epoch or none.
    """
    if len(epochs) < 2:
        raise Died(f"{len(epochs)} epochs were trained; expected at least 2")
    return median(epoch.seconds / per_epoch for epoch in epochs[1:])


def by_part(epochs: Sequence[Epoch], per_epoch: int, parts: int) -> tuple[float, ...]:
    """Return the seconds of an iteration in equal parts of a training.

    Raises:
        Died: a part has no epoch.
    """
    if len(epochs) < parts:
        raise Died(f"{len(epochs)} epochs were trained; expected at least {parts}")
    edges = [round(len(epochs) * k / parts) for k in range(parts + 1)]
    slices = (epochs[a:b] for a, b in pairwise(edges))
    return tuple(fmean(epoch.seconds / per_epoch for epoch in part) for part in slices)


def _yard(device: str) -> float:
    return float(output_of([str(OWN_PYTHON), str(_YARD), device]))
