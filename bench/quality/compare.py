"""Trainings that differ in their seed alone, and their comparison with nnunetv2's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from quality.datasets import Part
from quality.figures import Curve, Speed, interval, middle, reach, speed, timed
from quality.recipes import RECIPES, THEIRS
from quality.records import Paces, Trained


@dataclass(frozen=True)
class Group:
    """The trainings of one recipe and length, a seed each, that are scored whole on a part."""

    dataset: str
    recipe: str
    iterations: int
    device: str
    records: tuple[Trained, ...]

    def curves(self, part: Part) -> list[Curve]:
        """Return the curve of each seed over iterations."""
        return [record.curve(part) for record in self.records]

    def final(self, part: Part) -> list[float]:
        """Return the last Dice of each seed."""
        return [curve[-1][1] for curve in self.curves(part)]

    def case_means(self, part: Part) -> dict[str, float]:
        """Return the last Dice of each case that every seed has, as the mean over the seeds."""
        last = [record.scores[part][str(record.points[-1])].cases for record in self.records]
        shared = set.intersection(*(set(cases) for cases in last))
        return {name: fmean(cases[name] for cases in last) for name in sorted(shared)}

    def with_seeds_of(self, other: Group) -> Group:
        """Return the trainings whose seeds the other group has too; all of them if it has none of these."""
        seeds = {record.seed for record in other.records}
        return replace(self, records=tuple(one for one in self.records if one.seed in seeds) or self.records)

    def case_differences(self, other: Group, part: Part) -> list[float]:
        """Return for each case of both groups by how much its Dice is higher in this one."""
        mine, yours = self.case_means(part), other.case_means(part)
        return [mine[name] - yours[name] for name in mine if name in yours]


def groups(records: Sequence[Trained], part: Part) -> list[Group]:
    """Return the groups of the records that are scored whole on a part."""
    found: dict[tuple[str, str, int, str], list[Trained]] = {}
    for record in records:
        if record.points and not record.missing(part):
            key = (record.dataset, record.recipe, record.iterations, record.device)
            found.setdefault(key, []).append(record)
    return [Group(*key, tuple(sorted(of, key=lambda one: one.seed))) for key, of in sorted(found.items())]


@dataclass(frozen=True)
class Compared:
    """A group beside nnunetv2's longest trainings of the same dataset and device.

    Attributes:
        group: the trainings.
        final: the last Dice of each seed.
        pace: of this recipe; None where it is not measured.
        curve: median Dice over seconds; empty without a pace.
        seconds: of the whole training, None without a pace.
        reached: seconds after which the median curve has nnunetv2's last Dice, None if it never has.
        ratio: these seconds over those of nnunetv2's training, None if it is not known.
        told_ratio: the same as text, with the reason where there is none.
        difference: by how much the mean Dice of its cases is higher than nnunetv2's at the end, with the interval over
            cases; None where there is nothing to compare with.
    """

    group: Group
    final: tuple[float, ...]
    pace: Speed | None
    curve: tuple[tuple[float, float], ...]
    seconds: float | None
    reached: float | None
    ratio: float | None
    told_ratio: str
    difference: tuple[float, float, float] | None = None


def compare_all(
    records: Sequence[Trained], machines: Mapping[str, Paces], title: str | None, part: Part
) -> list[Compared]:
    """Return every group of whole trainings beside nnunetv2's, with times for the machine `title`."""
    found = groups(records, part)
    return [compared(group, _peer_of(group, found), machines, title, part) for group in found]


def compared(
    group: Group, peer: Group | None, machines: Mapping[str, Paces], title: str | None, part: Part
) -> Compared:
    """Return a group beside nnunetv2's trainings, None where there are none."""
    pace, curve, seconds = _over_time(group, machines, title, part)
    alone = Compared(group, tuple(group.final(part)), pace, curve, seconds, None, None, "")
    if group.recipe == THEIRS.name:
        return alone
    if peer is None:
        return replace(alone, told_ratio="nnunetv2 not measured yet")
    differences = group.case_differences(peer, part)
    beside = replace(alone, difference=(fmean(differences), *interval(differences)))
    wanted, (_, _, whole) = median(peer.final(part)), _over_time(peer, machines, title, part)
    if reach(middle(group.curves(part)), wanted) is None:
        return replace(beside, told_ratio="not reached")
    reached = reach(curve, wanted) if curve else None
    if reached is None or whole is None:
        return replace(beside, reached=reached, told_ratio="time not measured yet")
    return replace(beside, reached=reached, ratio=reached / whole, told_ratio=f"{reached / whole:.3f}")


def _over_time(
    group: Group, machines: Mapping[str, Paces], title: str | None, part: Part
) -> tuple[Speed | None, tuple[tuple[float, float], ...], float | None]:
    recipe = RECIPES[group.recipe].paced_as or group.recipe
    pace = speed(machines, title, group.dataset, recipe, group.device) if title else None
    if pace is None:
        return None, (), None
    curve = timed(middle(group.curves(part)), pace, group.iterations)
    return pace, tuple(curve), pace.at(group.iterations, group.iterations)


def _peer_of(group: Group, found: Sequence[Group]) -> Group | None:
    return max(_peers(group, found), key=lambda peer: peer.iterations, default=None)


def _peers(group: Group, found: Sequence[Group]) -> Iterator[Group]:
    for one in found:
        if (one.recipe, one.dataset, one.device) == (THEIRS.name, group.dataset, group.device):
            yield one
