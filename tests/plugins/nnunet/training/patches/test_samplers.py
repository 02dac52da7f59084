"""Samplers: nnU-Net's rule and the class-balanced one; the same places for any number of workers and after a stop."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, replace
from itertools import product
from types import ModuleType

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from nnplug.contracts import PatchPlace, SamplingContext
from nnplug.contracts.attributed.sampler import AttributedSampler
from nnplug.contracts.kinds import SAMPLER
from nnplug.errors import ComponentFailed, InvalidOptions, InvalidPlugin, NnplugError
from nnplug.plans.plans import Choice
from nnplug.preparation.case_index import complete_index, index_entry, indexing_of
from nnplug.registry.components import Entry, Registry, Source
from nnplug.registry.entries import SamplerComponent
from nnplug.registry.loader import Plugins
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.runtime.seeds import generator
from nnplug.testing import samples
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training import loop
from nnplug_nnunet.training.patches.loading import PatchLoader
from nnplug_nnunet.training.patches.samplers import ClassBalanced, NnunetSampler
from nnplug_nnunet.training.patches.source import PatchSource, Stream
from nnplug_nnunet.training.trainer import NnUNetTrainer

NAMES = tuple("abcdefghij")


def rare(seed):
    """Label 2, three voxels, is in case a alone; label 1 in all cases."""
    image, label = samples.volume(seed)
    label[label == 2] = 0
    if seed == 0:
        label[2, 2, 2:5] = 2
    return image, label


def context_of(folder, make=rare, names=NAMES, batch_size=3):
    store = samples.write_cases(folder, make=make, names="".join(NAMES))
    indexing = indexing_of(Plugins().registry.get(SAMPLER, "nnunet"), samples.LABELS)
    complete_index(store, NAMES, indexing, executor=LocalExecutor(1), progress=Silent())
    return SamplingContext(store, names, samples.LABELS, batch_size)


def labels_drawn(sampler, context, draws=600):
    """How often the centre of the last sample of a batch has each label, and the places."""
    sampling = sampler.bind(context)
    places = [sampling.draw(context.batch_size - 1, generator(0, number)) for number in range(draws)]
    return Counter(int(context.cases[place.case].label[place.centre]) for place in places), places


def test_a_class_of_a_single_case_is_drawn_as_often_as_one_of_all(tmp_path):
    context = context_of(tmp_path)
    usual, _ = labels_drawn(NnunetSampler(), context)
    balanced, places = labels_drawn(ClassBalanced(), context)
    assert usual[2] == pytest.approx(600 / 10 / 2, abs=25)
    assert balanced[2] == pytest.approx(300, abs=60)
    assert balanced[1] == 600 - balanced[2]
    found = Counter(place.case for place in places if context.cases[place.case].label[place.centre] == 1)
    assert set(found) == set(NAMES)
    assert max(found.values()) < 60, "its cases are drawn alike"
    voxels = Counter(place.centre for place in places if context.cases[place.case].label[place.centre] == 2)
    assert set(voxels) == {(2, 2, 2), (2, 2, 3), (2, 2, 4)}


def test_only_the_last_share_of_a_batch_is_centred(tmp_path):
    context = context_of(tmp_path, batch_size=4)
    for sampler in (NnunetSampler(oversampling=0.5), ClassBalanced(oversampling=0.5)):
        places = [sampler.bind(context).draw(sample, generator(1, sample)) for sample in range(4)]
        assert [place.centre is None for place in places] == [True, True, False, False]


@pytest.mark.parametrize(("oversampled", "share"), [("random", 0.4), ("random-whole", 0.5)])
def test_every_sample_of_a_batch_can_be_centred_by_chance(tmp_path, oversampled, share):
    context = context_of(tmp_path, batch_size=4)
    sampling = NnunetSampler(oversampling=0.4, oversampled=oversampled).bind(context)
    for sample in (0, 3):
        centred = [sampling.draw(sample, generator(sample, number)).centre is not None for number in range(800)]
        assert sum(centred) / 800 == pytest.approx(share, abs=0.06)


def test_a_fold_without_the_class_draws_the_others(tmp_path):
    context = context_of(tmp_path, names=("b", "c"))
    found, places = labels_drawn(ClassBalanced(), context, draws=50)
    assert found == {1: 50}
    assert {place.case for place in places} == {"b", "c"}


@pytest.mark.parametrize("sampler", [NnunetSampler, ClassBalanced])
def test_a_share_out_of_range_is_refused(sampler):
    with pytest.raises(ValueError, match="oversampling is 1.5; it must be from 0 to 1"):
        sampler(oversampling=1.5)


@pytest.mark.parametrize("sampler", [NnunetSampler(), ClassBalanced()])
def test_batches_are_equal_for_any_number_of_workers(tmp_path, sampler):
    context = context_of(tmp_path)
    source = PatchSource(context.cases, sampler.bind(context), (4, 8, 8), 3, seed=7, stream=Stream.TRAINING)

    def images(workers):
        with PatchLoader(source, product(range(2), range(4)), workers=workers) as loader:
            return [batch.image for batch in loader]

    one, four = images(1), images(4)
    assert len(one) == 8
    assert all(torch.equal(a, b) for a, b in zip(one, four, strict=True))


SHORT = {"epochs": 2, "iterations_per_epoch": 3, "val_iterations_per_epoch": 1, "precision": "float32"}


def task_in(folder, sampler):
    task = make_task(folder, Setting(axes=3))
    indexing = indexing_of(Plugins().registry.get(SAMPLER, "nnunet"), samples.LABELS)
    complete_index(task.cases, "abc", indexing, executor=LocalExecutor(1), progress=Silent())
    configuration = msgspec.structs.replace(task.configuration, batch_size=4)
    return replace(task, sampler=sampler and AttributedSampler(sampler), configuration=configuration)


def weights(task, **options):
    NnUNetTrainer(**SHORT, **options).train(task)
    return load_file(task.run.final_weights)


def are_equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_named_sampler_of_nnunet_trains_as_the_trainer_s_own_to_the_bit(tmp_path):
    own = weights(task_in(tmp_path / "own", None), oversampling=0.6)
    assert are_equal(weights(task_in(tmp_path / "named", NnunetSampler(oversampling=0.6))), own)
    assert not are_equal(weights(task_in(tmp_path / "default", NnunetSampler())), own)


def test_a_training_that_was_stopped_draws_the_same_patches(tmp_path, monkeypatch):
    whole = weights(task_in(tmp_path / "whole", ClassBalanced(oversampling=0.9)))
    task = task_in(tmp_path / "stopped", ClassBalanced(oversampling=0.9))
    keep = loop.Training._keep_state

    def stop(training):
        keep(training)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop.Training, "_keep_state", stop)
        with pytest.raises(KeyboardInterrupt):
            weights(task)
    assert task.run.state.exists()
    assert are_equal(weights(task_in(tmp_path / "stopped", ClassBalanced(oversampling=0.9))), whole)


def test_a_sampler_and_the_older_option_together_are_refused(tmp_path):
    with pytest.raises(InvalidOptions, match=r"trainer option oversampling is 0.5, and the plans name a sampler"):
        weights(task_in(tmp_path, NnunetSampler()), oversampling=0.5)


def test_a_sampler_and_the_trainer_s_chance_together_are_refused(tmp_path):
    with pytest.raises(InvalidOptions, match="trainer option oversampled is random, and the plans name a sampler"):
        weights(task_in(tmp_path, NnunetSampler()), oversampled="random")


@dataclass(frozen=True)
class Faulty:
    """A sampler that gives what it is told to."""

    give: object

    def bind(self, context):
        return self

    def draw(self, sample, rng):
        return self.give()


@pytest.mark.parametrize(
    ("give", "error", "message"),
    [
        (lambda: ("a", None), InvalidPlugin, "Faulty gave tuple instead of nnplug.contracts.sampler.PatchPlace"),
        (lambda: PatchPlace("z"), InvalidPlugin, "Faulty returned the case 'z', which is not among its cases"),
        (lambda: PatchPlace("a", (1, 2)), InvalidPlugin, r"gave the centre \(1, 2\) for case 'a'; expected \(z, y"),
        (
            lambda: PatchPlace("a", (1, 2, 1000)),
            InvalidPlugin,
            r"gave the centre \(1, 2, 1000\) for case 'a'; expected",
        ),
        (lambda: PatchPlace("a", (-1, 2, 3)), InvalidPlugin, r"gave the centre \(-1, 2, 3\) for case 'a'; expected"),
        (lambda: PatchPlace("a", (1, 2, 2.5)), InvalidPlugin, r"gave the centre \(1, 2, 2.5\) for case 'a'; expected"),
        (lambda: 1 / 0, ComponentFailed, "Faulty failed: ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_sampler_does_wrong_names_the_sampler(tmp_path, give, error, message):
    with pytest.raises(error, match=message):
        weights(task_in(tmp_path, Faulty(give)))


def test_the_index_is_the_sampler_s_where_its_entry_names_one(tmp_path, monkeypatch):
    module = ModuleType("own_index")
    monkeypatch.setitem(sys.modules, "own_index", module)
    source = Source("own", "nnplug-own", "1.0")
    entries = [
        Entry(SamplerComponent(n, "own_index:S", "", case_index=i), source)
        for n, i in (("a", "own_index:I"), ("b", None))
    ]
    registry = Registry([*Plugins().registry, *entries])

    @dataclass
    class Plan:
        choices: dict

        def choice(self, kind):
            return self.choices[kind]

    found = {}
    for name in ("a", "b", None):
        named = {} if name is None else {"sampler": Choice(name=name)}
        found[name] = index_entry(Plan({"trainer": Choice(name="nnunet"), **named}), registry).name
    assert found == {"a": "a", "b": "nnunet", None: "nnunet"}


def test_a_case_without_patch_centres_is_named(tmp_path):
    store = samples.write_cases(tmp_path, names="ab")
    with pytest.raises(NnplugError, match="case 'a' is stored without patch centres"):
        ClassBalanced().bind(SamplingContext(store, ("a", "b"), samples.LABELS, 2))
