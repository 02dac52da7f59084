"""Train, score and keep, a piece at a time: a stopped call loses minutes, and the next one goes on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nnplug.runtime.lock import locked
from quality.datasets import Part, Prepared, prepare
from quality.figures import found_at
from quality.place import Place
from quality.records import Epoch, Store, Trained
from quality.score import score
from quality.side import side_of
from quality.trainings import FOUND, Training


@dataclass(frozen=True)
class Bench:
    """The records, folders and versions that all pieces of the measurement use.

    Attributes:
        store: the records.
        scratch: a folder that stays: datasets, trainings and their weights.
        data: the folder of the real datasets.
        peer: a Python with nnunetv2, None where there is none.
        machine: the title of this machine.
        versions: of nnplug and of nnunetv2.
        say: gets a line per piece.
    """

    store: Store
    scratch: Path
    data: Path
    peer: Path | None
    machine: str
    versions: Mapping[str, str]
    say: Callable[[str], None] = print

    def prepared(self, training: Training) -> Prepared:
        """Return the folders of the dataset of a training."""
        data = training.data
        return prepare(data, self.data / data.folder, self.scratch / data.name)

    def place(self, training: Training) -> Place:
        """Return the folders of a training."""
        return Place.of(training, self.scratch, self.peer)


@dataclass(frozen=True)
class Wanted:
    """A training, and the parts that it is scored on."""

    training: Training
    parts: tuple[Part, ...] = ()


def is_done(wanted: Wanted, record: Trained | None) -> bool:
    """Return whether nothing is missing."""
    return record is not None and not any(record.missing(part) for part in wanted.parts)


def left(wanted: Sequence[Wanted], store: Store) -> list[Wanted]:
    """Return the trainings that lack a record or a score, in the given order."""
    return [one for one in wanted if not is_done(one, store.find(one.training))]


def do(wanted: Wanted, bench: Bench, deadline: float | None = None) -> bool:
    """Do what is missing of a training; gives whether all of it is there.

    Args:
        wanted: the training, and what to score.
        bench: records, folders and versions.
        deadline: of `time.monotonic`; a training is stopped then, and no score is begun.

    Raises:
        Died: a command failed.
        NnplugError: another process is at this training.
    """
    folder = bench.scratch / wanted.training.name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock"), what=wanted.training.name, patience=0):
        record = _trained(wanted, bench, deadline)
        return record is not None and _scored(wanted, record, bench, deadline)


def _trained(wanted: Wanted, bench: Bench, deadline: float | None) -> Trained | None:
    """Return the record of a training, None if it has not ended; train if it or weights to score are missing."""
    training, side = wanted.training, side_of(wanted.training)
    record, place = bench.store.find(training), bench.place(training)
    needed = {p for part in wanted.parts for p in (training.points if record is None else record.missing(part))}
    if (record is not None and all(side.is_kept(place, point) for point in needed)) or _is_over(deadline):
        return record
    if _has_ended(training, side.epochs(training, place)) and not _has_all(training, place):
        shutil.rmtree(place.folder)  # weights were removed: they are trained again
        place = bench.place(training)
    began = time.monotonic()
    bench.say(f"{training.name}: trains from epoch {len(side.epochs(training, place))} of {training.epochs}")
    side.train(training, bench.prepared(training), place, None if deadline is None else deadline - began)
    epochs = side.epochs(training, place)
    bench.say(f"{training.name}: {len(epochs)} epochs are trained, {time.monotonic() - began:.0f} s in this call")
    if not _has_ended(training, epochs) or not _has_all(training, place):
        return record
    new = _record(training, epochs, bench, record)
    bench.store.keep(training, new)
    return new


def _record(training: Training, epochs: tuple[Epoch, ...], bench: Bench, earlier: Trained | None) -> Trained:
    return Trained(
        dataset=training.data.name,
        recipe=training.recipe.name,
        iterations=training.iterations,
        seed=training.seed,
        device=training.device,
        words=training.recipe.words,
        points=training.points,
        epochs=epochs,
        machine=bench.machine,
        date=datetime.now(UTC).astimezone().isoformat(timespec="seconds"),
        versions=dict(bench.versions),
        scores=earlier.scores if earlier else {},
    )


def _scored(wanted: Wanted, record: Trained, bench: Bench, deadline: float | None) -> bool:
    """Score what is not scored yet, and keep each score at once; gives whether all of it is there."""
    training, prepared, place = wanted.training, bench.prepared(wanted.training), bench.place(wanted.training)
    for part in wanted.parts:
        for point in record.missing(part):
            if _is_over(deadline) or not side_of(training).is_kept(place, point):
                return False
            record = record.with_scores(part, point, score(training, prepared, place, point, part))
            bench.store.keep(training, record)
            bench.say(f"{training.name}: {part} Dice {dict(record.curve(part))[point]:.4f} after {point} iterations")
    return True


def _has_ended(training: Training, epochs: Sequence[Epoch]) -> bool:
    """Return whether the last epoch that is wanted is there."""
    if training.until is None:
        return len(epochs) == training.epochs
    return bool(epochs) and (found_at(epochs, FOUND) is not None or epochs[-1].iteration >= training.until)


def _has_all(training: Training, place: Place) -> bool:
    """Return whether the weights of every point are there."""
    return all(side_of(training).is_kept(place, point) for point in training.points)


def _is_over(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
