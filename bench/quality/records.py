"""What is kept of a training, a small file each, and of the seconds that an iteration takes, a file per machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from harness.results import MachineFacts

from nnplug.runtime.files import write_text
from nnplug.runtime.records import Record
from quality.datasets import Part
from quality.trainings import Training


class Scores(Record, frozen=True, kw_only=True):
    """Dice of whole images.

    Attributes:
        mean: over the classes, of the mean over the cases.
        cases: case -> mean over the classes that it or its prediction has; empty where it is not kept.
    """

    mean: float
    cases: dict[str, float] = msgspec.field(default_factory=dict)


class Epoch(Record, frozen=True, kw_only=True):
    """An epoch as the log has it.

    Attributes:
        iteration: of its end.
        dice: pseudo Dice per class; None for a class that no batch has.
        seconds: as they were, however busy the machine.
    """

    iteration: int
    dice: tuple[float | None, ...]
    seconds: float


def rounded_dice(values: Iterable[float | None]) -> tuple[float | None, ...]:
    """Return pseudo Dice with the digits that are kept."""
    return tuple(None if value is None else round(value, 4) for value in values)


class Trained(Record, frozen=True, kw_only=True):
    """A training that has ended, and the scores of its weights so far.

    Attributes:
        words: of `nnplug run` for this recipe.
        points: iterations at which its weights were kept.
        scores: part -> iteration, as text -> Dice.
        machine: the title of the machine.
    """

    dataset: str
    recipe: str
    iterations: int
    seed: int
    device: str
    words: tuple[str, ...]
    points: tuple[int, ...]
    epochs: tuple[Epoch, ...]
    machine: str
    date: str
    versions: dict[str, str]
    scores: dict[str, dict[str, Scores]] = msgspec.field(default_factory=dict)

    def missing(self, part: Part) -> tuple[int, ...]:
        """Return the points that are not scored on this part yet."""
        return tuple(point for point in self.points if str(point) not in self.scores.get(part, {}))

    def with_scores(self, part: Part, point: int, scores: Scores) -> Trained:
        """Return the same with the scores of a point; those of single cases are kept for the last point alone."""
        kept = scores if point == self.points[-1] else Scores(mean=scores.mean)
        here = {**self.scores.get(part, {}), str(point): kept}
        return msgspec.structs.replace(self, scores={**self.scores, part: here})

    def curve(self, part: Part) -> list[tuple[int, float]]:
        """Return iteration and Dice of each point that is scored."""
        return sorted((int(point), scores.mean) for point, scores in self.scores.get(part, {}).items())


class Pace(Record, frozen=True, kw_only=True):
    """The seconds of an iteration on quiet cores, with its share of the validation batches.

    Attributes:
        seconds: for equal parts of a training, one after the other; a single one where all iterations cost the same.
        yard: seconds of the fixed step of `bench/peers/yard.py`, before and after.
        others: the share of the cores that other programs used.
    """

    seconds: tuple[float, ...]
    yard: tuple[float, float]
    others: float | None
    date: str
    versions: dict[str, str]


class Paces(Record, frozen=True, kw_only=True):
    """The paces on a machine; keys are `pace_key`."""

    machine: MachineFacts
    paces: dict[str, Pace] = msgspec.field(default_factory=dict)

    @property
    def yard(self) -> float | None:
        """The seconds of the fixed step on this machine: the fastest seen."""
        return min((second for pace in self.paces.values() for second in pace.yard), default=None)


def pace_key(data: str, recipe: str, device: str) -> str:
    """Return the key of a pace."""
    return f"{data}/{recipe}/{device}"


class Store:
    """The folder of all records: `DATASET/TRAINING.json`, and `pace-MACHINE.json`."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which need not exist."""
        self._folder = folder

    def find(self, training: Training) -> Trained | None:
        """Return the record of a training, None if it has not ended."""
        path = self._folder / f"{training.name}.json"
        return Trained.read(path) if path.exists() else None

    def keep(self, training: Training, record: Trained) -> None:
        """Write the record of a training."""
        path = self._folder / f"{training.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(record.data()) + "\n")

    def trained(self) -> Iterator[tuple[str, Trained]]:
        """Yield every record with its name."""
        for path in sorted(self._folder.glob("*/*.json")):
            yield f"{path.parent.name}/{path.stem}", Trained.read(path)

    def machines(self) -> Mapping[str, Paces]:
        """Return the paces by the title of their machine."""
        every = (Paces.read(path) for path in sorted(self._folder.glob("pace-*.json")))
        return {paces.machine.title: paces for paces in every}

    def keep_pace(self, machine: MachineFacts, key: str, pace: Pace) -> None:
        """Add a pace to those of a machine."""
        there = self.machines().get(machine.title) or Paces(machine=machine)
        self._folder.mkdir(parents=True, exist_ok=True)
        kept = msgspec.structs.replace(there, paces={**there.paces, key: pace})
        kept.write(self._folder / f"pace-{machine.slug}.json")
