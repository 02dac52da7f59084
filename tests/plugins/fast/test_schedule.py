"""Learning rate and momentum by iteration."""

from __future__ import annotations

import pytest
import torch

from nnplug_fast.schedule import learning_rate, warm_momentum
from nnplug_nnunet.training.schedule import learning_rate as nnunet_rate


def rates(schedule, warmup=0.0, epochs=4, per_epoch=5):
    length = {"epochs": epochs, "iterations_per_epoch": per_epoch, "warmup": warmup}
    return [learning_rate(schedule, 0.1, i, **length) for i in range(epochs * per_epoch)]


def test_nnunet_s_is_constant_within_an_epoch():
    assert rates("nnunet") == [nnunet_rate("poly", 0.1, i // 5, 4) for i in range(20)]


def test_the_others_fall_in_every_iteration_and_are_above_0_in_the_last():
    assert rates("linear") == pytest.approx([0.1 * (20 - i) / 20 for i in range(20)])
    assert rates("cosine")[10] == pytest.approx(0.05)
    assert rates("poly")[10] == pytest.approx(0.1 * 0.5**0.9)
    assert rates("constant") == [0.1] * 20
    assert all(min(rates(name, 0.5)) > 0 for name in ("nnunet", "linear", "cosine", "poly"))


@pytest.mark.parametrize("schedule", ["linear", "cosine", "poly", "constant"])
def test_the_warm_up_rises_to_the_peak_and_the_fall_begins_there(schedule):
    found = rates(schedule, 0.25)
    assert found[:6] == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1, 0.1])
    assert max(found) == pytest.approx(0.1)


def test_a_warm_up_shorter_than_an_iteration_is_none():
    assert rates("linear", 0.04) == rates("linear")
    assert rates("nnunet", 0.1)[:3] == pytest.approx([0.05, 0.1, 0.1])


def stepped(optimizer, count):
    found = []
    for _ in range(count):
        optimizer.step()
        found.append(optimizer.param_groups[0]["momentum"])
    return found


def sgd(start=0.8, steps=4):
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    warm_momentum(optimizer, start, steps)
    return optimizer


def test_the_momentum_rises_to_that_of_the_optimizer_also_after_a_resume():
    whole = stepped(sgd(), 6)
    assert whole == pytest.approx([0.8, 0.825, 0.85, 0.875, 0.9, 0.9])
    first = sgd()
    begun = stepped(first, 2)
    second = sgd()
    second.load_state_dict(first.state_dict())
    assert begun + stepped(second, 4) == whole


def test_groups_without_momentum_stay():
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(2))])
    before = {key: value for key, value in optimizer.param_groups[0].items() if key != "params"}
    warm_momentum(optimizer, 0.5, 3)
    optimizer.step()
    assert {key: value for key, value in optimizer.param_groups[0].items() if key != "params"} == before


def test_after_the_rise_the_momentum_is_left_to_others():
    optimizer = sgd(steps=2)
    assert stepped(optimizer, 3)[-1] == pytest.approx(0.9)
    optimizer.param_groups[0]["momentum"] = 0.5
    assert stepped(optimizer, 2) == [0.5, 0.5]


def test_a_rescue_in_the_rise_keeps_its_momentum():
    optimizer = sgd(steps=4)
    stepped(optimizer, 2)
    optimizer.param_groups[0]["momentum"] = 0.5
    assert stepped(optimizer, 4) == [0.5] * 4
    optimizer.param_groups[0]["momentum"] = 0.9
    assert stepped(optimizer, 1) == [0.9]
