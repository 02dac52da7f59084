"""What an entry promises, and what its class has."""

from dataclasses import replace
from typing import Protocol

import pytest

from nnplug.errors import InvalidPlugin
from nnplug.registry.components import Entry, Kind, Registry, Source
from nnplug.registry.entries import COMPONENTS, ArchitectureComponent, AugmenterComponent, TrainerComponent

SOURCE = Source("x", "nnplug-x", "1.0")


class Headed(Protocol):
    def split_head(self, network): ...


class Whole:
    def options_for(self, topology): ...
    def split_head(self, network): ...
    def bind_batches(self, context): ...
    def extends(self, earlier): ...


class Misspelt:
    def options_for(self, topology): ...
    def split_heads(self, network): ...


class Stub(Headed):
    def options_for(self, topology): ...


def misspelt():
    return Misspelt()


def entry(component, target):
    return Entry(replace(component, target=f"{__name__}:{target}"), SOURCE)


HEADED = ArchitectureComponent("net", "a:b", "", takes_topology=True, has_linear_head=True)
BATCHING = AugmenterComponent("crop", "a:b", "", augments_batches=True)
EXTENDING = TrainerComponent("sgd", "a:b", "", extends_runs=True)
START = "architecture 'net' from nnplug-x 1.0 says has_linear_head in its entry, but "


@pytest.mark.parametrize("component", [HEADED, BATCHING, EXTENDING], ids=lambda c: str(c.kind))
def test_a_class_that_keeps_what_its_entry_promises_is_created(component):
    assert isinstance(entry(component, "Whole").create(), Whole)


@pytest.mark.parametrize(
    ("target", "end"),
    [
        ("Misspelt", "Misspelt has no method 'split_head'. Did you mean 'split_head' by 'split_heads'?"),
        ("misspelt", "Misspelt has no method 'split_head'. Did you mean 'split_head' by 'split_heads'?"),
        ("Stub", "Stub has no method 'split_head'. Add it, or do not say has_linear_head."),
    ],
)
def test_a_promised_method_that_is_missing_or_misspelt_is_named(target, end):
    with pytest.raises(InvalidPlugin) as error:
        entry(HEADED, target).create()
    assert str(error.value) == START + end


@pytest.mark.parametrize(
    ("component", "method"), [(BATCHING, "bind_batches"), (EXTENDING, "extends")], ids=["augmenter", "trainer"]
)
def test_each_promise_is_checked(component, method):
    with pytest.raises(InvalidPlugin, match=f"Misspelt has no method '{method}'"):
        entry(component, "Misspelt").load()


def test_an_architecture_without_a_topology_plans_from_the_patch():
    plain = ArchitectureComponent("net", "a:b", "")
    message = "says takes_topology=False in its entry, but Whole has no method 'options_for_patch'"
    with pytest.raises(InvalidPlugin, match=message):
        entry(plain, "Whole").create()


def test_what_is_not_promised_is_not_asked_for():
    assert isinstance(entry(replace(EXTENDING, extends_runs=False), "Misspelt").create(), Misspelt)


def test_each_kind_has_its_class():
    assert list(COMPONENTS) == list(Kind)
    assert len(set(COMPONENTS.values())) == len(Kind)


def test_a_typed_kind_finds_what_its_kind_finds():
    from nnplug.contracts.kinds import TRAINER

    registry = Registry([entry(EXTENDING, "Whole")])
    assert registry.get(TRAINER, "sgd") is registry.get(Kind.TRAINER, "sgd")
    assert isinstance(registry.create(TRAINER, "sgd"), Whole)
