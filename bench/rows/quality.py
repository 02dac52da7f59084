"""Dice of whole unseen images against time: nnunetv2's default trainer and recipes of nnplug, from scratch.

`bench/quality_run.py` measures, for days; this row shows what it has kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.row import Case, Goal, Outside, Row, Sample, Setting, Unmeasurable, Work

if TYPE_CHECKING:
    from quality.compare import Compared
    from quality.trainings import Training

RECORDS = Path(__file__).parents[1] / "results" / "quality"
LIMITS = {"hippocampus": 0.1, "brats2013": 0.15, "membranes": 0.15, "headneck": 0.15}
"""The goals of the time ratio of a fast recipe."""


def ours(setting: Setting, data: str, recipe: str, device: str = "cpu") -> Work:
    """nnplug's trainings of all lengths; the one that is first where nnU-Net ends counts."""
    return lambda: _side(setting, data, recipe, device)


def theirs(setting: Setting, data: str, recipe: str, device: str = "cpu") -> Work:  # noqa: ARG001 - nnplug's
    """nnU-Net's."""
    return lambda: _side(setting, data, "nnunetv2", device)


def _side(setting: Setting, data: str, recipe: str, device: str) -> Sample:
    if setting.quick or setting.rehearse:
        return rehearsed(setting, data, recipe, device)
    return sample([one for one in _kept(data, device) if one.group.recipe == recipe], f"{data} {recipe}")


def sample(found: list[Compared], what: str) -> Sample:
    """Return the figures of the trainings of a recipe, which differ in their length.

    Raises:
        Unmeasurable: there are none yet, or their pace is not measured.
    """
    from statistics import median

    if not found:
        raise Unmeasurable(f"no training of {what} is scored; bench/quality_run.py comparison goes on")
    timed = [one for one in found if one.seconds is not None]
    if not timed:
        raise Unmeasurable(f"the pace of {what} is not measured; bench/quality_run.py pace does it on quiet cores")
    longest = max(timed, key=lambda one: one.group.iterations)
    first = min((one for one in timed if one.reached is not None), key=lambda one: one.reached or 0.0, default=longest)
    told: dict[str, Any] = {"dice": median(longest.final), "curve": [list(point) for point in first.curve]}
    reached = first.reached if first.group.recipe != "nnunetv2" else first.seconds
    return told if reached is None else {**told, "reach_seconds": reached}


def _kept(data: str, device: str) -> list[Compared]:
    """Return the trainings of a dataset and device, with times for this machine."""
    from harness.results import MachineFacts
    from quality.compare import compare_all
    from quality.records import Store

    store = Store(RECORDS)
    records = [record for _, record in store.trained() if (record.dataset, record.device) == (data, device)]
    return compare_all(records, store.machines(), MachineFacts.here().title, "test")


def rehearsed(setting: Setting, data: str, recipe: str, device: str) -> Sample:
    """Train some iterations, and score their weights on one validation case: to see that a side works."""
    from quality.datasets import dataset
    from quality.recipes import RECIPES
    from quality.trainings import Training

    return rehearse(setting, Training(dataset(data), RECIPES[recipe], 10, 0, device))


def rehearse(setting: Setting, training: Training) -> Sample:
    """Train, score and give the figures of a training that is kept nowhere."""
    from dataclasses import replace

    from harness.results import MachineFacts
    from quality.records import Store
    from quality.work import Bench, Wanted, do

    setting.dataset(training.data.folder)
    one_case = replace(training, data=replace(training.data, validation=training.data.validation[:1]))
    machine = MachineFacts.here().title
    bench = Bench(Store(setting.scratch / "kept"), setting.scratch, setting.shared / "data", setting.peer, machine, {})
    do(Wanted(one_case, ("validation",)), bench)
    record = bench.store.find(one_case)
    if record is None:
        raise Unmeasurable(f"{one_case.name} did not end")
    seconds = sum(epoch.seconds for epoch in record.epochs)
    dice = record.curve("validation")[-1][1]
    return {"reach_seconds": seconds, "dice": dice, "curve": [[seconds, dice]]}


def _cases() -> tuple[Case, ...]:
    plain = tuple(Case(f"{data}, default recipe", {"data": data, "recipe": "default"}) for data in LIMITS)
    fast = tuple(
        Case(
            f"{data}, recipe fast",
            {"data": data, "recipe": "fast"},
            goals=(Goal("reach_seconds", limit), Goal("dice", 1.0, at_least=True)),
        )
        for data, limit in LIMITS.items()
    )
    return (
        *plain,
        *fast,
        Case("hippocampus, default recipe, GPU", {"data": "hippocampus", "recipe": "default"}, gpu=True),
    )


ROW = Row(
    title="Dice of whole unseen images against time, from scratch",
    ours=Outside(ours),
    theirs=Outside(theirs),
    rounds=1,
    warm_up=0,
    recorded=True,
    cases=_cases(),
    note="Three trainings a side (seeds), a fast recipe at several lengths; a curve is their median. The time ratio is "
    "that at which nnplug's curve has nnU-Net's last Dice over nnU-Net's whole time, without preprocessing; Dice is "
    "that of the longest training. Seconds are iterations times the seconds of one, which are measured apart on quiet "
    "cores. [All trainings, with ranges and single levers](fast-measured.md).",
)
