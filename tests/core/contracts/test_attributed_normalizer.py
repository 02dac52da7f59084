"""A normalizer says in its class whether voxels outside the mask become 0."""

from __future__ import annotations

import pytest

from nnplug.contracts.attributed.normalizer import zeroes_outside_mask
from nnplug.errors import InvalidPlugin
from nnplug.registry.components import Entry, Source
from nnplug.registry.entries import NormalizerComponent


class Silent:
    def normalize(self, image, mask, intensity):
        return image


class Zeroes(Silent):
    zeroes_outside_mask = True


class Words(Silent):
    zeroes_outside_mask = "yes"


def entry(name):
    return Entry(NormalizerComponent("mine", f"{__name__}:{name}", ""), Source("lab", "nnplug-lab", "1.0"))


def test_it_is_what_the_class_says():
    assert zeroes_outside_mask(entry("Zeroes"))


@pytest.mark.parametrize(("name", "value"), [("Silent", "None"), ("Words", "'yes'")])
def test_a_class_that_does_not_say_it_is_named(name, value):
    line = f"normalizer .mine. from nnplug-lab 1.0 has zeroes_outside_mask = {value} in its class; expected"
    with pytest.raises(InvalidPlugin, match=line):
        zeroes_outside_mask(entry(name))
