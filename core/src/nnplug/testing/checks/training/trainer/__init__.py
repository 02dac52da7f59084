"""The checks of `nnplug.contracts.Trainer`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np
import torch
from safetensors.torch import load_file

from nnplug.contracts import AdaptiveTrainer, TrainingLength
from nnplug.registry.entries import TrainerComponent
from nnplug.testing import samples
from nnplug.testing.check import Checks, NotChecked, Subject, require
from nnplug.testing.checks.training.trainer.kill import epochs_of, goes_on_after_any_kill, log_of
from nnplug.testing.samples import Image, Label
from nnplug.testing.stand_ins import Crop
from nnplug.testing.trainings import (
    LEARNING,
    SHORT,
    Make,
    RecordingImages,
    RecordingStore,
    Setting,
    Weights,
    are_equal,
    final_weights,
    make_task,
    make_trainer,
    rehearsed,
)
from nnplug.workspace.layout import RunFolder

LEARNT = 0.998
"""The largest accepted loss after a short training, as a share of the first; a trainer may start slowly."""


def _mirrors(subject: Subject) -> None:
    for dimensions in (2, 3):
        axes = make_trainer(subject).mirror_axes(dimensions)
        inside = set(axes) <= set(range(dimensions)) and len(set(axes)) == len(axes)
        require(inside, f"mirror_axes({dimensions}) is {axes}; axes are numbered from 0 to {dimensions - 1}")


def _trains(subject: Subject, axes: int) -> None:
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), Setting(axes=axes), subject)
        start = {key: value.clone() for key, value in task.network.state_dict().items()}
        make_trainer(subject).train(task)
        best = _read(task.run.best_weights, start)
        final = _read(task.run.final_weights, start)
        require(not task.run.state.exists(), f"train left {task.run.state.name} behind at its end")
    for what, weights in (("best", best), ("final", final)):
        require(all(value.isfinite().all() for value in weights.values()), f"the {what} weights are not finite")
    require(not are_equal(final, start), "the final weights are those that training began with")


def _read(path: Path, start: Weights) -> Weights:
    require(path.is_file(), f"train left no {path.name}")
    weights: Weights = load_file(path)
    require(set(weights) == set(start), f"{path.name} does not have the keys of the network's state dict")
    return weights


def _shortens(subject: Subject) -> None:
    """Raise unless the options for a length give a training of this length with the right number of log lines."""
    with TemporaryDirectory() as folder:
        task, trainer = make_task(Path(folder), Setting(), subject), make_trainer(subject)
        length = trainer.length(task)
        require(isinstance(length, TrainingLength), f"length gave {type(length).__name__} instead of TrainingLength")
        require(length == SHORT, f"with options_for({SHORT}) the length is {length}")
        trainer.train(task)
        lines = _lines(task.run)
    require(lines in (None, SHORT.log_lines), f"log.jsonl has {lines} lines, length said {SHORT.log_lines}")


def _lines(run: RunFolder) -> int | None:
    """Return the number of lines of a log, or None if it cannot be read, which another check reports."""
    epochs = epochs_of(run)
    return len(epochs) if epochs else None


def _logs(subject: Subject) -> None:
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), Setting(), subject)
        make_trainer(subject).train(task)
        lines = log_of(task.run)
    epochs = [line.epoch for line in lines]
    require(epochs == list(range(len(lines))), f"the epochs in log.jsonl are {epochs}; expected 0, 1, 2 and so on")
    losses = [line.train_loss for line in lines]
    require(all(map(math.isfinite, losses)), f"the training losses in log.jsonl are {losses}, which are not finite")


def _uses_cases(subject: Subject) -> None:
    plain = final_weights(subject, Setting())
    for what, make in (("images", _other_image), ("labels", _other_label)):
        changed = final_weights(subject, Setting(make=make))
        require(not are_equal(plain, changed), f"other {what} of the cases gave the same weights")
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), Setting(), subject)
        make_trainer(subject).train(task)
        foreign = sorted(cast("RecordingStore", task.cases).opened - {*task.training, *task.validation})
    require(not foreign, f"train read the cases {foreign}, which are neither in task.training nor in task.validation")


def _other_image(seed: int) -> tuple[Image, Label]:
    image, label = samples.volume(seed)
    return image[:, ::-1].copy(), label


def _other_label(seed: int) -> tuple[Image, Label]:
    image, label = samples.volume(seed)
    return image, np.where(label > 0, 3 - label, label).astype(np.int16)


def _uses_augmenter(subject: Subject) -> None:
    axes = 2
    augmenters = Crop(), Crop(noise=1.0)
    plain, noisy = (final_weights(subject, Setting(axes=axes, augmenter=augmenter)) for augmenter in augmenters)
    require(not are_equal(plain, noisy), "another augmenter gave the same weights")
    mirrored, bound = make_trainer(subject).mirror_axes(axes), augmenters[0].contexts
    wrong = [context.mirror_axes for context in bound if tuple(context.mirror_axes) != tuple(mirrored)]
    require(not wrong, f"mirror_axes({axes}) is {mirrored}, the augmenter was given {wrong[:1]}")


def _learns(subject: Subject) -> None:
    """Raise unless a training on separable classes, and one with swapped labels, each fit their own labels best."""
    makes = samples.separable, _swapped
    losses = [_learnt(subject, make, judges=makes) for make in makes]
    for index, (before, after) in enumerate(losses):
        own, other = after[index], losses[1 - index][1][index]
        require(
            own < LEARNT * before[index],
            f"on classes that every voxel tells apart the cross-entropy was {before[index]:.3f} before and {own:.3f} "
            "after a short training; it must fall",
        )
        require(
            own < other, f"after a training with other labels the cross-entropy was lower: {other:.3f}, not {own:.3f}"
        )


def _learnt(subject: Subject, make: Make, *, judges: Sequence[Make]) -> tuple[list[float], list[float]]:
    """Return the losses on the volumes of each judge, before and after a training on those of `make`."""
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), Setting(make=make), subject)
        before = [_loss(task.network, judge) for judge in judges]
        make_trainer(subject, LEARNING).train(task)
        task.network.load_state_dict(load_file(task.run.final_weights))
        return before, [_loss(task.network, judge) for judge in judges]


def _swapped(seed: int) -> tuple[Image, Label]:
    image, label = samples.separable(seed)
    return image, np.where(label > 0, 3 - label, label).astype(np.int16)


@torch.no_grad()
def _loss(network: torch.nn.Module, make: Make) -> float:
    """Return the cross-entropy of a 2D network on all slices of a volume, as the mean over the classes."""
    image, label = (torch.from_numpy(array) for array in make(0))
    chances = torch.log_softmax(network.eval()(image.transpose(0, 1) / samples.SCALE), dim=1)
    return float(torch.stack([-chances[:, value][label == value].mean() for value in samples.LABELS.all_values]).mean())


def _is_deterministic(subject: Subject) -> None:
    first, again, threaded = (final_weights(subject, Setting(workers=workers)) for workers in (1, 1, 3))
    require(are_equal(first, again), "the same seed gave different weights")
    require(are_equal(first, threaded), "another number of workers gave different weights")


def _takes_previous(subject: Subject) -> None:
    """Raise unless the network gets an additional channel per label of the previous stage, if the entry declares it."""
    component = subject.entry.component
    if not (isinstance(component, TrainerComponent) and component.takes_previous_stage):
        raise NotChecked("it does not take a previous stage")
    plain = final_weights(subject, Setting(axes=3, previous=True))
    changed = final_weights(subject, Setting(axes=3, previous=True, make_previous=_other_label))
    require(not are_equal(plain, changed), "other labels of the previous stage gave the same weights")


def _takes_unlabelled(subject: Subject) -> None:
    """Raise unless it reads images without label maps, alike in every training, if the entry declares it."""
    component = subject.entry.component
    if not (isinstance(component, TrainerComponent) and component.takes_unlabelled):
        raise NotChecked("it takes no images without label maps")
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), Setting(unlabelled=True), subject)
        make_trainer(subject).train(task)
        first: Weights = load_file(task.run.final_weights)
    require(cast("RecordingImages", task.unlabelled).opened, "train read none of the images in task.unlabelled")
    again, without = (final_weights(subject, Setting(unlabelled=there)) for there in (True, False))
    for what, weights in (("with", first), ("without", without)):
        finite = all(value.isfinite().all() for value in weights.values())
        require(finite, f"{what} images in task.unlabelled the weights are not finite")
    require(are_equal(first, again), "the same images in task.unlabelled gave different weights")


def _adapts(subject: Subject) -> None:
    """Raise unless it decides the same for every fold, if the entry declares that it decides from the cases."""
    component = subject.entry.component
    if not (isinstance(component, TrainerComponent) and component.adapts):
        raise NotChecked("it decides nothing from the cases")
    made = cast("AdaptiveTrainer", make_trainer(subject))
    with TemporaryDirectory() as folder:
        task = make_task(Path(folder), Setting(axes=3), subject)
        other = replace(task, training=task.validation, validation=task.training)
        first, second = made.adapted(task), made.adapted(other)
    for decided in (first, second):
        require(type(decided) is type(made), f"adapted gave a {type(decided).__name__}, not a {type(made).__name__}")
    ours, theirs = first.mirror_axes(3), second.mirror_axes(3)
    require(ours == theirs, f"adapted mirrors the axes {ours} in one fold and {theirs} in another")


def _rehearses(subject: Subject) -> None:
    """Raise unless the memory of its steps can be counted, and grows with the batch, if the entry declares it."""
    component = subject.entry.component
    if not (isinstance(component, TrainerComponent) and component.rehearses):
        raise NotChecked("it does not rehearse")
    small, large = (rehearsed(subject, batch) for batch in (1, 8))
    require(small.kept > 0, "rehearse keeps no tensor between steps, not even the weights")
    require(small.step > small.kept, f"a step takes {small.step} bytes at most, and {small.kept} are kept before it")
    require(large.step > small.step, f"a step with 8 patches takes {large.step} bytes, with 1 patch {small.step}")


CHECKS: Checks = {
    "mirrors axes that exist": _mirrors,
    "shortens itself": _shortens,
    "trains a 3D network": partial(_trains, axes=3),
    "trains a 2D network": partial(_trains, axes=2),
    "writes a log that others read": _logs,
    "uses the cases": _uses_cases,
    "uses the augmenter": _uses_augmenter,
    "lowers the loss on classes that are easy to separate": _learns,
    "trains the same twice": _is_deterministic,
    "goes on after any kill": goes_on_after_any_kill,
    "takes a previous stage": _takes_previous,
    "trains with and without images that have no label map": _takes_unlabelled,
    "decides alike in every fold": _adapts,
    "shows the memory of its steps": _rehearses,
}
