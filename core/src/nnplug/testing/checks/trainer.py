"""The checks of `nnplug.contracts.Trainer`.

The network and the augmenter are the kit's own stand-ins, so that no other component is to blame for a trainer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file

from nnplug.contracts import Trainer, TrainingLength, TrainingTask, read_log
from nnplug.plans.plans import Choice, Configuration, Normalization, Resampling
from nnplug.registry.entries import TrainerComponent
from nnplug.runtime.progress import Advance, Progress, Silent
from nnplug.testing import samples
from nnplug.testing.check import Checks, Subject, require
from nnplug.testing.stand_ins import Crop, TinyNetwork
from nnplug.workspace.layout import RunFolder

SHORT = TrainingLength(iterations=4, validation_iterations=2, log_lines=2)
"""The length that a trainer is asked to shorten itself to."""
PATCH = 8
BATCH = 2

Weights = Mapping[str, torch.Tensor]


class _Killed(BaseException):
    """What stops a training in its second epoch."""


class _Killer(Silent):
    """Kills whoever reports more than one epoch."""

    @contextmanager
    def task(self, title: str, total: int, *, done: int = 0) -> Iterator[Advance]:  # noqa: ARG002 - the protocol
        count = done

        def advance(_: str) -> None:
            nonlocal count
            count += 1
            if count > SHORT.iterations // SHORT.log_lines:
                raise _Killed

        yield advance


def _mirrors(subject: Subject) -> None:
    for dimensions in (2, 3):
        trainer: Trainer = subject.create()
        axes = trainer.mirror_axes(dimensions)
        inside = set(axes) <= set(range(dimensions)) and len(set(axes)) == len(axes)
        require(inside, f"mirror_axes({dimensions}) is {axes}; axes are numbered from 0 to {dimensions - 1}")


def _trains(subject: Subject, axes: int) -> None:
    with TemporaryDirectory() as folder:
        task = _task(Path(folder), axes=axes)
        start = {key: value.clone() for key, value in task.network.state_dict().items()}
        _trainer(subject).train(task)
        _check_log(task.run)
        best = _read(task.run.best_weights, start)
        final = _read(task.run.final_weights, start)
    for what, weights in (("best", best), ("final", final)):
        require(all(value.isfinite().all() for value in weights.values()), f"the {what} weights are not finite")
    require(not _equal(final, start), "the final weights are those that training began with")


def _takes_previous(subject: Subject) -> None:
    """Of a trainer that says so: the network gets a channel per label of the previous stage more."""
    component = subject.entry.component
    if not (isinstance(component, TrainerComponent) and component.takes_previous_stage):
        return
    with TemporaryDirectory() as folder:
        task = _task(Path(folder), previous=True)
        _trainer(subject).train(task)
        _check_log(task.run)
        require(task.run.final_weights.is_file(), "train left no final weights in a cascade")


def _check_log(run: RunFolder) -> None:
    require(run.log.is_file(), "train left no log.jsonl")
    require(read_log(run.log), "log.jsonl is empty; it has a line per epoch")


def _read(path: Path, start: Weights) -> Weights:
    require(path.is_file(), f"train left no {path.name}")
    weights: Weights = load_file(path)
    require(set(weights) == set(start), f"{path.name} does not have the keys of the network's state dict")
    return weights


def _is_deterministic(subject: Subject) -> None:
    first, again, threaded = (_final(subject, workers=workers) for workers in (1, 1, 3))
    require(_equal(first, again), "the same seed gave different weights")
    require(_equal(first, threaded), "another number of workers gave different weights")


def _resumes(subject: Subject) -> None:
    whole = _final(subject)
    with TemporaryDirectory() as folder:
        try:
            _trainer(subject).train(_task(Path(folder), progress=_Killer()))
        except _Killed:
            task = _task(Path(folder))
            _trainer(subject).train(task)
            require(
                _equal(load_file(task.run.final_weights), whole), "a killed and resumed training gave other weights"
            )


def _final(subject: Subject, *, workers: int = 1) -> Weights:
    with TemporaryDirectory() as folder:
        task = _task(Path(folder), workers=workers)
        _trainer(subject).train(task)
        weights: Weights = load_file(task.run.final_weights)
    return weights


def _equal(a: Weights, b: Weights) -> bool:
    return set(a) == set(b) and all(torch.equal(a[key], b[key]) for key in a)


def _trainer(subject: Subject) -> Trainer:
    whole: Trainer = subject.create()
    trainer: Trainer = subject.create(**whole.options_for(SHORT))
    return trainer


def _shortens(subject: Subject) -> None:
    """Check that options for a length make a training of that length, and that the log has as many lines."""
    with TemporaryDirectory() as folder:
        task, trainer = _task(Path(folder)), _trainer(subject)
        length = trainer.length(task)
        require(isinstance(length, TrainingLength), f"length gave {type(length).__name__} instead of TrainingLength")
        require(length == SHORT, f"with options_for({SHORT}) the length is {length}")
        trainer.train(task)
        lines = len(read_log(task.run.log))
    require(lines <= length.log_lines, f"length promises {length.log_lines} lines in log.jsonl, train wrote {lines}")


def _task(
    folder: Path, *, axes: int = 3, workers: int = 1, progress: Progress | None = None, previous: bool = False
) -> TrainingTask:
    """A training of two cases that takes a second; of the second stage of a cascade where `previous` says so."""
    configuration = _configuration(axes, previous="low" if previous else None)
    more = configuration.previous_labels(samples.LABELS)
    run = RunFolder(folder / "runs" / "kit" / "kit" / "fold_0")
    run.path.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TinyNetwork(axes, channels=samples.CHANNELS + len(more), outputs=samples.LABELS.outputs)
    return TrainingTask(
        network=network,
        configuration=configuration,
        labels=samples.LABELS,
        cases=samples.write_cases(folder / "cases", previous=folder / "previous" if previous else None),
        training=("a", "b"),
        validation=("c",),
        augmenter=Crop(),
        masked_channels=(),
        device=torch.device("cpu"),
        run=run,
        seed=0,
        workers=workers,
        progress=progress or Silent(),
    )


def _configuration(axes: int, *, previous: str | None) -> Configuration:
    return Configuration(
        spacing=(1.0,) * axes,
        patch_size=(PATCH,) * axes,
        batch_size=BATCH,
        median_shape=tuple(map(float, samples.SHAPE[-axes:])),
        normalization=(Normalization(name="kit", use_mask=False),) * samples.CHANNELS,
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name="kit"),
        previous_stage=previous,
    )


CHECKS: Checks = {
    "mirrors axes that exist": _mirrors,
    "shortens itself": _shortens,
    "trains a 3D network": partial(_trains, axes=3),
    "trains a 2D network": partial(_trains, axes=2),
    "trains the same twice": _is_deterministic,
    "goes on after a kill": _resumes,
    "takes a previous stage": _takes_previous,
}
