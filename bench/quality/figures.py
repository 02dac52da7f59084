"""Curves of several trainings, their times, and the time at which one reaches what the other ends with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median

from quality.records import Epoch, Paces, pace_key

Curve = Sequence[tuple[float, float]]
"""Iteration or seconds, and Dice."""


def middle(curves: Sequence[Curve]) -> list[tuple[float, float]]:
    """Return the median Dice at each place that every curve has."""
    if not curves:
        return []
    shared = set.intersection(*({place for place, _ in curve} for curve in curves))
    found = [dict(curve) for curve in curves]
    return [(place, median(curve[place] for curve in found)) for place in sorted(shared)]


@dataclass(frozen=True)
class Speed:
    """The pace of a recipe for a machine.

    Attributes:
        seconds: of an iteration, for equal parts of a training.
        scaled: the title of the other machine that the pace was measured on, None where it is this one's own.
    """

    seconds: tuple[float, ...]
    scaled: str | None = None

    def at(self, iteration: float, iterations: int) -> float:
        """Return the seconds from the start of a training of `iterations` to an iteration."""
        length = iterations / len(self.seconds)
        whole = min(int(iteration / length), len(self.seconds) - 1)
        return sum(self.seconds[:whole]) * length + (iteration - whole * length) * self.seconds[whole]


def speed(machines: Mapping[str, Paces], title: str, data: str, recipe: str, device: str) -> Speed | None:
    """Return the pace for the machine `title`: its own, or another's in the ratio of their fixed steps; None without.

    Of several other machines it is the one measured last.
    """
    key = pace_key(data, recipe, device)
    here = machines.get(title)
    if here is not None and key in here.paces:
        return Speed(here.paces[key].seconds)
    if here is None or here.yard is None:
        return None
    others = [(paces.paces[key].date, name) for name, paces in machines.items() if key in paces.paces]
    if not others:
        return None
    _, name = max(others)
    ratio = here.yard / min(machines[name].paces[key].yard)
    return Speed(tuple(ratio * second for second in machines[name].paces[key].seconds), scaled=name)


def timed(curve: Curve, pace: Speed, iterations: int) -> list[tuple[float, float]]:
    """Return a curve over iterations as one over seconds."""
    return [(pace.at(place, iterations), dice) for place, dice in curve]


def reach(curve: Curve, dice: float) -> float | None:
    """Return the place at which a curve first has that Dice, None where it never does.

    Between two points it is a line. Before the first one nothing is known: it counts as a whole.
    """
    earlier: tuple[float, float] | None = None
    for place, value in curve:
        if value >= dice:
            if earlier is None or value == earlier[1]:
                return place
            return earlier[0] + (place - earlier[0]) * (dice - earlier[1]) / (value - earlier[1])
        earlier = (place, value)
    return None


def spread(values: Sequence[float], written: str = "{:.4f}") -> str:
    """Return the median and the range of some values as text."""
    if not values:
        return ""
    text = written.format(median(values))
    return text if len(values) == 1 else f"{text} ({written.format(min(values))} to {written.format(max(values))})"


def found_at(epochs: Sequence[Epoch], threshold: float) -> int | None:
    """Return the iteration after which every class has a pseudo Dice above the threshold, None if that never is.

    A class that no validation batch of an epoch has does not count in this epoch.
    """
    for epoch in epochs:
        known = [value for value in epoch.dice if value is not None]
        if known and min(known) > threshold:
            return epoch.iteration
    return None


def interval(differences: Sequence[float], *, draws: int = 10_000, share: float = 0.95) -> tuple[float, float]:
    """Return the bootstrap interval of the mean of some differences, the same in every call.

    Raises:
        ValueError: there is none.
    """
    import numpy as np

    if not differences:
        raise ValueError("no differences")
    drawn = np.random.default_rng(0).choice(np.asarray(differences), (draws, len(differences))).mean(1)
    low, high = np.quantile(drawn, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def rounded(iterations: float, step: int) -> int:
    """Return a number of iterations as a multiple of `step`, not fewer."""
    return ceil(iterations / step) * step
