"""A training that does not find a class: it is told once, and rescued reproducibly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts import read_log
from nnplug.dataset.labels import Labels
from nnplug.runtime.progress import Silent
from nnplug.testing import samples
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training import collapse, loop
from nnplug_nnunet.training.batch_settings import planned_settings
from nnplug_nnunet.training.callbacks import Callback, EpochValidation
from nnplug_nnunet.training.checkpoint import TrainingProgress
from nnplug_nnunet.training.collapse import ClassSearch
from nnplug_nnunet.training.patches.samplers import ClassBalanced, NnunetSampler
from nnplug_nnunet.training.rescue import Rescue
from nnplug_nnunet.training.scores import present
from nnplug_nnunet.training.trainer import NnUNetTrainer

EPOCHS = {"epochs": 12, "iterations_per_epoch": 1, "val_iterations_per_epoch": 1, "precision": "float32"}
WAIT = collapse.LEAST_VALIDATIONS
"""Epochs after which a class is noticed here."""
TUMOUR = "class 'tumour' is not found in"


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch):
    """Notice after the fewest validations, however few iterations; save a state after every epoch."""
    monkeypatch.setattr(collapse, "LEAST_ITERATIONS", 1)
    monkeypatch.setattr(loop, "_SAVING", 1e9)


def hidden(seed):
    """Label 2 is two voxels that every patch contains one of, and that no intensity tells: no network finds them."""
    image, label = samples.volume(seed)
    label[label == 2] = 0
    label[5, 7:9, 6] = 2
    return image, label


class Recorder(Silent):
    """Progress that keeps its notices."""

    def __init__(self):
        super().__init__()
        self.notices = []
        self.notice = self.notices.append


@dataclass(frozen=True, kw_only=True)
class Followed(NnUNetTrainer):
    """nnU-Net's training; a callback records the momentum of each epoch, and may stop the training after one."""

    stop_after: int | None = field(default=None, compare=False)
    seen: ClassVar[list[tuple[int, float, bool]]] = []

    def callbacks(self):
        return [Follow(self.stop_after)]


class Follow(Callback):
    def __init__(self, stop_after):
        self.stop_after = stop_after

    def on_epoch_end(self, state, line):
        Followed.seen.append((line.epoch, state.optimizer.param_groups[0].get("momentum"), state.rescued))

    def on_checkpoint(self, state, path):
        if path == state.task.run.state and state.epoch + 1 == self.stop_after:
            raise KeyboardInterrupt


def task_in(folder, make=hidden, **given):
    return replace(make_task(folder, Setting(axes=3, make=make, **given)), progress=Recorder())


def trained(trainer, task):
    """The final weights, the log and the notices."""
    trainer.train(task)
    return load_file(task.run.final_weights), read_log(task.run.log), task.progress.notices


def are_equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def rescued(tmp_path_factory):
    """An undisturbed training with a rescue."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(collapse, "LEAST_ITERATIONS", 1)
        Followed.seen.clear()
        result = trained(Followed(**EPOCHS, rescue=True), task_in(tmp_path_factory.mktemp("rescued")))
        return (*result, list(Followed.seen))


def test_a_class_that_is_not_found_is_told_once_and_again_at_the_end(tmp_path):
    task = task_in(tmp_path)
    _, log, notices = trained(NnUNetTrainer(**EPOCHS), task)
    highest = max(line.dice[1] for line in log)
    assert highest < collapse.FOUND
    first, last = notices
    assert first.startswith(f"{task.run.path}: after {WAIT} of 12 epochs, {TUMOUR} {WAIT} epochs (highest pseudo Dice ")
    assert first.endswith(
        "); a rescue lowers the momentum and draws all classes equally often. Set trainer.rescue=true in options."
    )
    assert last == (
        f"{task.run.path}: the training ends after 12 epochs, and {TUMOUR} 12 epochs "
        f"(highest pseudo Dice {highest:.2g}). Set trainer.rescue=true in options."
    )


def test_a_training_that_finds_its_classes_tells_nothing(tmp_path):
    task = task_in(tmp_path, make=samples.separable)
    weights, log, notices = trained(NnUNetTrainer(**{**EPOCHS, "iterations_per_epoch": 4}, rescue=True), task)
    assert min(max(line.dice[index] for line in log) for index in (0, 1)) > collapse.FOUND
    assert notices == []
    plain, _, _ = trained(
        NnUNetTrainer(**{**EPOCHS, "iterations_per_epoch": 4}), task_in(tmp_path / "plain", samples.separable)
    )
    assert are_equal(weights, plain), "without a missing class the option changes nothing"


def test_a_training_that_is_too_short_for_a_rescue_is_told_to_be_longer(tmp_path):
    task = task_in(tmp_path)
    _, _, (notice,) = trained(NnUNetTrainer(**{**EPOCHS, "epochs": WAIT}, rescue=True), task)
    assert notice.endswith(f"Set trainer.epochs={2 * WAIT} in options.")


def test_a_rescue_lowers_the_momentum_and_changes_the_patches_from_the_next_epoch_on(rescued, tmp_path):
    weights, log, notices, seen = rescued
    plain, plain_log, _ = trained(NnUNetTrainer(**EPOCHS), task_in(tmp_path))
    assert seen == [(n, 0.9 if WAIT <= n < 2 * WAIT else 0.99, WAIT <= n < 2 * WAIT) for n in range(12)]
    scores = [[(line.train_loss, line.val_loss, line.dice) for line in lines] for lines in (log, plain_log)]
    assert scores[0][:WAIT] == scores[1][:WAIT]
    assert log[WAIT].val_loss != plain_log[WAIT].val_loss, "after one iteration with another momentum"
    assert not are_equal(weights, plain)
    begins, ends, last = notices
    assert begins.endswith(
        "; the rescue begins: momentum 0.9 and class-balanced patches until all are found, at most until epoch 10"
    )
    assert ends.endswith("class 'tumour' is not found by the rescue, which ends after 10 epochs")
    assert last.endswith("Verify the dataset, which lists all its problems.")


@pytest.mark.parametrize("epoch", [1, WAIT, WAIT + 2, 2 * WAIT])
def test_a_stop_before_in_and_after_a_rescue_changes_no_bit_and_repeats_no_notice(epoch, rescued, tmp_path):
    weights, log, notices, _ = rescued
    task = task_in(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Followed(**EPOCHS, rescue=True, stop_after=epoch).train(task)
    again = task_in(tmp_path)
    resumed, resumed_log, later = trained(Followed(**EPOCHS, rescue=True), again)
    assert are_equal(resumed, weights)
    assert [line.train_loss for line in resumed_log] == [line.train_loss for line in log]
    told = [notice.split(": ", 1)[1] for notice in (*task.progress.notices, *later)]
    assert told == [notice.split(": ", 1)[1] for notice in notices]


def test_the_number_of_workers_changes_no_bit_of_a_rescue(rescued, tmp_path):
    weights, *_ = trained(Followed(**EPOCHS, rescue=True), task_in(tmp_path, workers=3))
    assert are_equal(weights, rescued[0])


def test_a_finished_training_that_is_extended_goes_on_after_its_rescue(tmp_path):
    short, longer = ({**EPOCHS, "epochs": epochs} for epochs in (2 * WAIT, 2 * WAIT + 2))
    trained(Followed(**short, rescue=True), task := task_in(tmp_path))
    task.run.final_state.rename(task.run.state)
    Followed.seen.clear()
    _, _, notices = trained(Followed(**longer, rescue=True), task_in(tmp_path))
    assert Followed.seen == [(n, 0.99, False) for n in (2 * WAIT, 2 * WAIT + 1)]
    (last,) = notices
    assert f"the training ends after 12 epochs, and {TUMOUR} 12 epochs" in last


def test_the_state_of_an_earlier_version_goes_on(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Followed(**EPOCHS, stop_after=2).train(task := task_in(tmp_path))
    state = torch.load(task.run.state, weights_only=True)
    del state["position"]["search"]
    torch.save(state, task.run.state)
    _, log, notices = trained(Followed(**EPOCHS), task_in(tmp_path))
    assert len(log) == 12
    assert f"after {2 + WAIT} of 12 epochs, {TUMOUR} {WAIT} epochs" in notices[0], "those before are not counted"
    assert TrainingProgress.restored({"epoch": 3}) == TrainingProgress(epoch=3)


def validation(*dice):
    return EpochValidation(0.0, dice, None, None, (True,) * len(dice))


def rescue_of(task, momentum=0.99, **options):
    optimizer = torch.optim.SGD(task.network.parameters(), lr=1.0, momentum=momentum)
    return Rescue(NnUNetTrainer(**EPOCHS, **options), task, optimizer), optimizer


def test_a_rescue_ends_when_the_class_is_found(tmp_path):
    task = task_in(tmp_path)
    rescue, optimizer = rescue_of(task, rescue=True)
    search = ClassSearch()
    for trained_epochs in range(1, 8):
        search = rescue.after_epoch(search, trained_epochs, validation(0.5, 0.3 if trained_epochs == 7 else 0.0))
    assert (search.noticed, search.rescue_end) == (5, 7)
    momenta = []
    for epoch in range(4, 9):
        rescue.begin_epoch(search, epoch)
        momenta.append(optimizer.param_groups[0]["momentum"])
    assert momenta == [0.99, 0.9, 0.9, 0.99, 0.99]
    assert task.progress.notices[-1].endswith("all classes are found after 7 epochs; the rescue ends")
    rescue.report_at_end(search, 12)
    assert len(task.progress.notices) == 2


def test_a_momentum_that_is_low_already_stays(tmp_path):
    rescue, optimizer = rescue_of(task_in(tmp_path), momentum=0.5, rescue=True)
    rescue.begin_epoch(ClassSearch(noticed=0, rescue_end=1), 0)
    assert optimizer.param_groups[0]["momentum"] == 0.5


def test_an_optimiser_without_momentum_has_other_patches_alone(tmp_path):
    task = task_in(tmp_path)
    _, log, notices = trained(NnUNetTrainer(**EPOCHS, optimizer="adamw", rescue=True), task)
    assert "the rescue begins: class-balanced patches until all are found" in notices[0]
    _, plain, _ = trained(NnUNetTrainer(**EPOCHS, optimizer="adamw"), task_in(tmp_path / "plain"))
    same = [a.train_loss == b.train_loss for a, b in zip(log, plain, strict=True)]
    assert all(same[:WAIT])
    assert not all(same[WAIT:])


def test_a_rescue_that_can_change_nothing_says_why(tmp_path):
    task = replace(task_in(tmp_path), sampler=NnunetSampler())
    rescue, _ = rescue_of(task, momentum=0.0, rescue=True)
    search = rescue.after_epoch(ClassSearch((4, 4), (0, 4), (0.0, 0.0)), WAIT, validation(0.5, 0.0))
    assert (search.noticed, search.rescue_end) == (WAIT, None)
    (notice,) = task.progress.notices
    assert notice.endswith("; no rescue, because the optimiser has no momentum and the plans name a sampler")


@pytest.mark.parametrize("sampler", [None, NnunetSampler()])
def test_the_sampler_of_the_plans_stays_in_a_rescue(sampler, tmp_path):
    task = replace(task_in(tmp_path), sampler=sampler)
    rescue, _ = rescue_of(task, rescue=True, oversampling=0.5)
    planned, search = planned_settings(task), ClassSearch(noticed=5, rescue_end=7)
    samplers = [rescue.batch_settings(search, planned, epoch).sampler for epoch in range(4, 8)]
    balanced = ClassBalanced(oversampling=0.5) if sampler is None else None
    assert samplers == [None, balanced, balanced, None]


REGIONS = Labels.from_data({"background": 0, "whole": [1, 2], "core": [2]}, [1, 2], "test")
UNORDERED = Labels.from_data({"background": 0, "second": 2, "first": 1}, None, "test")
MANY = Labels.from_data({"background": 0, **{f"c{n}": n for n in range(1, 8)}}, None, "test")


@pytest.mark.parametrize(
    ("labels", "missing", "words"),
    [
        (REGIONS, (1,), "region 'core' is not found"),
        (REGIONS, (0, 1), "regions 'whole', 'core' are not found"),
        (UNORDERED, (0,), "class 'first' is not found"),
        (MANY, range(7), "classes 'c1', 'c2', 'c3', 'c4', 'c5' and 2 more are not found"),
    ],
)
def test_classes_and_regions_are_named(labels, missing, words, tmp_path):
    task = replace(task_in(tmp_path), labels=labels)
    rescue, _ = rescue_of(task)
    without = tuple(9 if index in missing else 0 for index in range(len(labels.foreground)))
    rescue.report_at_end(ClassSearch((9,) * len(without), without, (0.0,) * len(without)), 9)
    assert words in task.progress.notices[0]


def test_a_class_is_present_where_the_reference_has_it():
    """Rows are true positives, false positives and false negatives."""
    assert present(torch.tensor([[0, 3, 0], [5, 0, 0], [0, 0, 2]])) == (False, True, True)
