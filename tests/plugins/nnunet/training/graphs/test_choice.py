"""The choice of a graph: what prevents one, and the notice about it where a graph is requested."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from nnplug.contracts.attributed.loss import AttributedLoss
from nnplug.dataset.labels import Labels
from nnplug.runtime.distributed import World
from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.networks.blocks import ConvStack, Layers
from nnplug_nnunet.training import loop
from nnplug_nnunet.training.callbacks import Callback, CallbackList
from nnplug_nnunet.training.graphs import choice
from nnplug_nnunet.training.graphs.choice import choose_step
from nnplug_nnunet.training.graphs.graphed_step import GraphedStep
from nnplug_nnunet.training.losses import DiceCE, TopK
from nnplug_nnunet.training.trainer import NnUNetTrainer

SHORT = {"epochs": 1, "iterations_per_epoch": 2, "val_iterations_per_epoch": 1}


@dataclass(frozen=True, kw_only=True)
class OwnStep(NnUNetTrainer):
    def training_step(self, state, batch):
        return super().training_step(state, batch)


@dataclass(frozen=True, kw_only=True)
class OwnLoss(NnUNetTrainer):
    def make_loss(self, task):
        return lambda logits, target: logits.square().mean()


class Follows(Callback):
    def on_iteration_end(self, state, loss):
        pass


class ForeignLoss:
    def bind(self, context):
        return DiceCE().bind(context)


@pytest.fixture
def state(tmp_path):
    """A training of nnplug's layers; only its device is not there."""
    made = loop.Training(NnUNetTrainer(**SHORT), make_task(tmp_path, Setting(axes=3))).state
    layers = Layers(3)
    network = ConvStack(layers, 1, layers.conv(1, 2, (1,) * 3, (1,) * 3), 2, (1,) * 3)
    return replace(made, network=network, task=replace(made.task, device=torch.device("cuda")))


def against(state, trainer=None, callbacks=()):
    trainer = trainer or NnUNetTrainer(**SHORT)
    return list(choice._obstacles(trainer, state, CallbackList(callbacks, trainer)))


def test_nnunet_s_training_has_no_obstacle(state):
    assert against(state) == []
    compiled = replace(state, compute=lambda image: state.network(image))
    assert against(compiled, NnUNetTrainer(**SHORT, compile="always")) == []


@pytest.mark.parametrize(
    ("changed", "trainer", "reason"),
    [
        ({"device": torch.device("cpu")}, None, "it needs a CUDA GPU"),
        ({"world": World(0, 2)}, None, "it needs a training on one device"),
        ({}, NnUNetTrainer(cuda_graph="never"), "it is not wanted"),
        ({}, OwnStep(), "has a training step of its own"),
    ],
)
def test_the_task_and_the_trainer_may_stand_against_it(state, changed, trainer, reason):
    (found,) = against(replace(state, task=replace(state.task, **changed)), trainer)
    assert reason in found


@pytest.mark.parametrize(
    "make",
    [
        lambda parameters: torch.optim.RMSprop(parameters),
        lambda parameters: torch.optim.SGD(parameters, lr=1.0),
        lambda parameters: type("Own", (torch.optim.SGD,), {})(parameters, lr=1.0, fused=True),
    ],
)
def test_the_optimiser_must_read_its_numbers_from_the_device(state, make):
    optimizer = make(list(state.network.parameters()))
    assert against(replace(state, optimizer=optimizer)) == ["the optimiser is no fused SGD, Adam or AdamW"]


def test_hooks_stand_against_it_wherever_they_are(state):
    told = ["the network or the optimiser has hooks"]
    for attach in (
        lambda: state.network.convs[0].register_forward_hook(lambda *_: None),
        lambda: state.network.convs[0].register_full_backward_hook(lambda *_: None),
        lambda: next(state.network.parameters()).register_hook(lambda gradient: gradient),
        lambda: state.optimizer.register_step_post_hook(lambda *_: None),
    ):
        hook = attach()
        assert against(state) == told
        hook.remove()
    assert against(state) == []


def test_a_top_share_of_voxels_that_are_ignored_in_part_stands_against_it(state):
    sparse = Labels.from_data({"background": 0, "a": 1, "ignore": 2}, None, "test")
    ignoring = replace(state, task=replace(state.task, labels=sparse))
    told = ["the loss sorts the voxels that count, for whose number the host waits"]
    assert against(ignoring, NnUNetTrainer(loss="dice-topk")) == told
    assert against(state, NnUNetTrainer(loss="dice-topk")) == []
    named = replace(ignoring, task=replace(ignoring.task, loss=AttributedLoss(TopK())))
    assert against(named) == told


def test_layers_of_the_accelerator_for_cuda_are_known(state):
    layer = type("Fused", (torch.nn.Identity,), {"__module__": "nnplug_cuda.norm"})
    assert against(replace(state, network=torch.nn.Sequential(state.network, layer()))) == []


def test_code_of_others_may_do_something_else_with_every_batch(state):
    layer = replace(state, network=torch.nn.Sequential(state.network, type("Random", (torch.nn.Identity,), {})()))
    assert against(layer) == ["Random may do something else with every batch"]
    loss = replace(state, loss=OwnLoss().make_loss(state.task))
    assert against(loss) == ["function may do something else with every batch"]
    named = replace(state, task=replace(state.task, loss=AttributedLoss(ForeignLoss())))
    assert against(named) == ["ForeignLoss may do something else with every batch"]
    assert against(state, callbacks=[Follows()]) == ["a callback follows every iteration"]
    asked = NnUNetTrainer(cuda_graph="always")
    assert [against(layer, asked), against(loss, asked), against(named, asked)] == [[], [], []]
    assert against(state, asked, [Follows()]) == []


@pytest.mark.parametrize(("wish", "count"), [("auto", 0), ("always", 1), ("never", 0)])
def test_the_reason_is_told_where_a_graph_is_asked_for(tmp_path, monkeypatch, wish, count):
    notices = []
    task = make_task(tmp_path, Setting(axes=3))
    monkeypatch.setattr(type(task.progress), "notice", lambda _, text: notices.append(text))
    NnUNetTrainer(**SHORT, cuda_graph=wish).train(task)
    told = "no CUDA graph: it needs a CUDA GPU; the training continues without it"
    assert notices.count(told) == count


def test_the_step_is_a_graph_where_nothing_stands_against_it(state, monkeypatch):
    monkeypatch.setattr(choice, "CudaRecorder", lambda device: device)
    trainer = NnUNetTrainer(**SHORT)
    assert isinstance(choose_step(trainer, state, CallbackList((), trainer)), GraphedStep)
