"""Accelerators are tried in the order of names; one that fails costs a notice, one that breaks weights is refused."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from nnplug.contracts import Workload
from nnplug.errors import AmbiguousComponent, InvalidPlugin
from nnplug.models.acceleration import accelerated
from nnplug.registry.components import Entry, Registry, Source
from nnplug.registry.entries import AcceleratorComponent
from nnplug.runtime.progress import Silent

PREDICTION = Workload(torch.device("cpu"), "prediction")


class Same(nn.ReLU):
    """Computes what nn.ReLU computes."""


class Replacing:
    def accelerate(self, network, workload):
        network[1] = Same()
        return network


class Idle:
    def accelerate(self, network, workload):
        return None


class Failing:
    def accelerate(self, network, workload):
        raise ZeroDivisionError("no such device")


class Confused:
    def accelerate(self, network, workload):
        return True


class Renaming:
    def accelerate(self, network, workload):
        return nn.Sequential(network)


class Copying:
    def accelerate(self, network, workload):
        network[0] = nn.Conv3d(1, 2, 3)
        return network


class Spoiling:
    """Changes parameters and raises then."""

    def accelerate(self, network, workload):
        network[0] = nn.Conv3d(1, 2, 3)
        raise ZeroDivisionError


class Notices(list):
    def notice(self, message):
        self.append(message)


@pytest.fixture
def registry(monkeypatch):
    """`registry(a=Idle, b=Failing)`: accelerators of these names, each of a distribution of its own."""

    def make(**accelerators):
        module = ModuleType("fake_accelerators")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        entries = []
        for name, kind in accelerators.items():
            setattr(module, name, kind)
            component = AcceleratorComponent(name, f"fake_accelerators:{name}", "")
            entries.append(Entry(component, Source(name, f"nnplug-{name}", "1.0")))
        return Registry(entries)

    return make


@pytest.fixture
def network():
    return nn.Sequential(nn.Conv3d(1, 2, 3), nn.ReLU())


def run(network, registry):
    notices = Notices()
    return accelerated(network, PREDICTION, registry=registry, progress=notices), notices


def test_without_accelerators_the_network_stays(network, registry):
    faster, notices = run(network, registry())
    assert faster is network
    assert type(network[1]) is nn.ReLU
    assert notices == []


def test_the_first_that_has_something_to_gain_is_taken(network, registry):
    faster, notices = run(network, registry(c=Failing, b=Replacing, a=Idle))
    assert type(faster[1]) is Same
    assert notices == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [(Failing, "accelerator 'a' from nnplug-a 1.0 failed: ZeroDivisionError: no such device"), (Confused, "gave bool")],
)
def test_one_that_fails_costs_one_notice_and_the_next_is_tried(network, registry, kind, words):
    faster, notices = run(network, registry(a=kind, b=Replacing))
    assert type(faster[1]) is Same
    (notice,) = notices
    assert words in notice
    assert ". The network computes without it" in notice


def test_one_that_cannot_be_imported_costs_one_notice(network, registry):
    entry = Entry(AcceleratorComponent("a", "nnplug_absent:A", ""), Source("a", "nnplug-a", "1.0"))
    faster, (notice,) = run(network, Registry([entry]))
    assert faster is network
    assert "accelerator 'a' from nnplug-a 1.0 cannot be imported" in notice


@pytest.mark.parametrize(("kind", "name"), [(Renaming, "0.0.bias"), (Copying, "0.bias"), (Spoiling, "0.bias")])
def test_one_that_changes_parameters_or_their_names_is_refused(network, registry, kind, name):
    with pytest.raises(InvalidPlugin, match=f"'a' from nnplug-a 1.0 changed '{name}'.*; block a to leave it"):
        run(network, registry(a=kind))


def test_two_of_one_name_are_refused(network, registry):
    (entry,) = registry(a=Idle)
    other = Entry(entry.component, Source("b", "nnplug-b", "1.0"))
    with pytest.raises(AmbiguousComponent, match="accelerator 'a' is offered by nnplug-a 1.0 and nnplug-b 1.0"):
        run(network, Registry([entry, other]))


@pytest.mark.parametrize(
    ("purpose", "dtype", "exact"),
    [("training", torch.bfloat16, True), ("training", None, False), ("prediction", torch.bfloat16, False)],
)
def test_a_training_in_half_precision_on_a_cpu_has_exact_gradients_of_short_images(purpose, dtype, exact):
    workload = Workload(torch.device("cpu"), purpose, dtype)
    found = accelerated(nn.Conv3d(1, 2, 3), workload, registry=Registry([]), progress=Silent())
    assert (type(found) is not nn.Conv3d) is exact
