"""The trainer `fast`: without options nnU-Net's to the bit; each option trains otherwise, and resumes exactly."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from nnplug import Plugins
from nnplug.contracts import read_log
from nnplug.errors import InvalidOptions
from nnplug.registry.components import Kind
from nnplug.testing import checks
from nnplug.testing.trainings import Setting, make_task
from nnplug.workspace.run_record import Pretrained, RunRecord
from nnplug_fast.muon import Muon
from nnplug_fast.trainer import FastTrainer
from nnplug_nnunet.training import loop
from nnplug_nnunet.training.patches.samplers import ClassBalanced, NnunetSampler
from nnplug_nnunet.training.trainer import NnUNetTrainer

SHORT = {"epochs": 2, "iterations_per_epoch": 3, "val_iterations_per_epoch": 1, "precision": "float32"}
ALL = {
    "optimizer": "muon",
    "initial_lr": 0.01,
    "momentum_warmup": 0.5,
    "schedule": "linear",
    "warmup": 0.4,
    "ema": 0.5,
    "growth": "performance",
    "balanced": 0.5,
    "class_bias": True,
}


def trained(trainer, task):
    trainer.train(task)
    return load_file(task.run.final_weights)


def are_equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture
def nnunet(task_in, tmp_path):
    """The final weights of nnU-Net's trainer."""
    return trained(NnUNetTrainer(**SHORT), task_in(tmp_path / "nnunet"))


def test_without_options_the_weights_are_nnunet_s(task_in, tmp_path, nnunet):
    assert are_equal(trained(FastTrainer(**SHORT), task_in(tmp_path)), nnunet)


LEVERS = [
    {"optimizer": "adamw"},
    {"optimizer": "muon"},
    {"schedule": "linear"},
    {"schedule": "cosine"},
    {"schedule": "poly"},
    {"schedule": "constant"},
    {"warmup": 0.5},
    {"momentum": 0.9},
    {"momentum_warmup": 0.5},
    {"ema": 0.5},
    {"growth": "efficiency"},
    {"growth": "performance"},
    {"balanced": 0.5},
    {"class_bias": True},
]


@pytest.mark.parametrize("lever", LEVERS, ids=lambda lever: "-".join(map(str, *lever.items())))
def test_each_option_alone_changes_the_training(task_in, tmp_path, nnunet, lever):
    assert not are_equal(trained(FastTrainer(**SHORT, **lever), task_in(tmp_path)), nnunet)


@pytest.mark.parametrize("rows", [64, 2])
def test_the_outputs_that_muon_takes_together_are_an_option(rows):
    def network():
        torch.manual_seed(0)
        network = torch.nn.Sequential(*(torch.nn.Conv2d(*sizes, 3) for sizes in ((1, 4), (4, 4), (4, 2))))
        network(torch.ones(1, 1, 9, 9)).square().sum().backward()
        return network

    ours, same = network(), network()
    FastTrainer(optimizer="muon", muon_rows=rows).make_optimizer(ours).step()
    Muon([same[1].weight], [], lr=0.01, weight_decay=3e-5, rows=rows).step()
    assert torch.equal(ours[1].weight, same[1].weight)


def stop_after_an_epoch(trainer, task):
    training = loop.Training(trainer, task)
    epoch = training._epoch

    def once(*given):
        epoch(*given)
        raise KeyboardInterrupt

    training._epoch = once
    with pytest.raises(KeyboardInterrupt):
        training.run()


@pytest.mark.parametrize("options", [ALL, {**ALL, "optimizer": "sgd"}, {**ALL, "optimizer": "adamw"}], ids=str)
def test_a_stopped_training_goes_on_to_the_bit(task_in, tmp_path, options):
    trainer = FastTrainer(**SHORT, **options)
    whole = trained(trainer, task_in(tmp_path / "whole"))
    stop_after_an_epoch(trainer, task_in(tmp_path / "stopped"))
    assert are_equal(trained(trainer, task_in(tmp_path / "stopped")), whole)


def test_the_learning_rate_is_logged_and_falls_to_0(task_in, tmp_path):
    task = task_in(tmp_path)
    FastTrainer(**SHORT, schedule="linear", initial_lr=0.6).train(task)
    assert [line.learning_rate for line in read_log(task.run.log)] == pytest.approx([0.4, 0.1])


@pytest.mark.parametrize(("share", "decay"), [(0.5, 1 - 1 / 3), (0.1, None), (0.0, None)])
def test_the_average_has_a_time_constant_that_fits_the_training(share, decay):
    prepared = FastTrainer(**SHORT, ema=share).prepare_weights(torch.nn.Linear(2, 2))
    assert (prepared and prepared._decay) == (decay and pytest.approx(decay))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 0.99),
        ({"optimizer": "muon"}, 0.95),
        ({"momentum": 0.9}, 0.9),
        ({"optimizer": "muon", "momentum": 0.8}, 0.8),
        ({"momentum": 0.0}, 0.0),
    ],
)
def test_the_momentum_is_that_of_the_optimizer_unless_it_is_given(options, expected):
    made = FastTrainer(**options).make_optimizer(torch.nn.Sequential(*(torch.nn.Conv2d(4, 4, 3) for _ in range(3))))
    assert made.param_groups[0]["momentum"] == expected
    assert isinstance(made, Muon) == (options.get("optimizer") == "muon")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial_lr": 0}, "initial_lr is 0; it must be above 0"),
        ({"muon_rows": 0}, "muon_rows is 0; it must be above 0"),
        ({"warmup": 1.0}, "warmup is 1.0; it must be from 0 to below 1"),
        ({"momentum_warmup": -0.1}, "momentum_warmup is -0.1; it must be from 0 to below 1"),
        ({"momentum_start": 1.5}, "momentum_start is 1.5; it must be from 0 to below 1"),
        ({"momentum": 1.0}, "momentum is 1.0; it must be from 0 to below 1"),
        ({"balanced": 1.5}, "balanced is 1.5; it must be from 0 to 1"),
        ({"ema": 2}, "ema is 2; it must be from 0 to below 1"),
        ({"betas": (0.9, 1.0)}, r"betas is \[0.9, 1.0\]; each must be from 0 to below 1"),
        ({"weight_decay": -1}, "weight_decay is -1; it must be at least 0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InvalidOptions, match=message):
        FastTrainer(**options)


def test_pretrained_weights_keep_their_biases(task_in, tmp_path, monkeypatch):
    task, trainer = task_in(tmp_path), FastTrainer(**SHORT, class_bias=True)
    before = task.network.heads[0].bias.detach().clone()
    record = RunRecord(
        dataset="d",
        plans="p",
        plans_digest="",
        configuration="c",
        fold=0,
        seed=0,
        command=(),
        providers=(),
        versions={},
        mirror_axes=(),
        training=task.training,
        validation=task.validation,
        created="",
        pretrained=Pretrained(model="m", sha256="0"),
    )
    record.write(task.run.record)
    trainer.initialise(task, task.network)
    assert torch.equal(task.network.heads[0].bias, before)
    msgspec.structs.replace(record, pretrained=None).write(task.run.record)
    trainer.initialise(task, task.network)
    assert not torch.equal(task.network.heads[0].bias, before)


def test_cases_without_patch_centres_get_them_before_their_frequencies_are_counted(tmp_path):
    """As those of a subclass whose entry names no `case_index`."""
    task = make_task(tmp_path, Setting(axes=3))
    FastTrainer(**SHORT, class_bias=True).train(task)
    assert task.run.is_finished


def test_the_first_epochs_draw_all_classes_equally_often_unless_the_plans_name_a_sampler(task_in, tmp_path):
    task, trainer = task_in(tmp_path), FastTrainer(epochs=10, balanced=0.25, oversampling=0.5)
    samplers = [trainer.batch_settings(task, epoch).sampler for epoch in range(10)]
    assert samplers == [ClassBalanced(oversampling=0.5)] * 3 + [None] * 7
    assert trainer.batch_settings(replace(task, sampler=NnunetSampler()), 0).sampler is None
    assert FastTrainer(epochs=10).batch_settings(task, 0).sampler is None


def test_a_longer_training_extends_it_and_no_other(task_in):
    trainer = FastTrainer(**SHORT, **ALL)
    assert replace(trainer, epochs=3).extends(trainer)
    assert not replace(trainer, epochs=3, optimizer="sgd").extends(trainer)


def entry():
    return Plugins().registry.get(Kind.TRAINER, "fast")


@pytest.mark.parametrize("check", ["trains a 2D network", "takes a previous stage", "shows the memory of its steps"])
def test_with_all_options_the_checks_of_the_kit_pass(check):
    registry = Plugins().registry
    (one,) = [one for one in checks(entry(), registry, options=ALL) if one.name == check]
    one.run()


@pytest.mark.parametrize(("name", "epochs"), [("fast", 100), ("best", 1000)])
def test_the_recipes_are_trainings_of_this_trainer(name, epochs):
    recipe = Plugins().registry.recipe(name)
    assert recipe.choices == {"trainer": "fast"}
    trainer = entry().create(recipe.options["trainer"])
    assert trainer.iterations == epochs * 250
    assert replace(trainer, epochs=1000) == entry().create(Plugins().registry.recipe("best").options["trainer"])


def test_without_mirroring_the_order_of_classes_decides_nothing(task_in, tmp_path):
    task = replace(task_in(tmp_path), cases=None)
    for options in ({}, {"keep_order": True, "mirroring": False}):
        trainer = FastTrainer(**options)
        assert trainer.adapted(task) == trainer
