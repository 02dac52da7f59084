"""A component uses the code of its base classes, whose distributions count too."""

from __future__ import annotations

from importlib.metadata import version

import msgspec

from nnplug import Plugins
from nnplug.registry.base_classes import component_versions
from nnplug.registry.components import Entry, Registry, Source
from nnplug.registry.entries import TrainerComponent
from nnplug_nnunet.training.trainer import NnUNetTrainer

SOURCE = Source("x", "nnplug-x", "1.0")


class OfPlugin(NnUNetTrainer):
    """A subclass of a class that another plugin offers."""


class OfLibrary(msgspec.Struct):
    """A subclass of a library that is no plugin."""


def entry(name):
    return Entry(TrainerComponent("mine", f"{__name__}:{name}", ""), SOURCE)


def make():
    return OfPlugin()


def test_the_distributions_of_base_classes_are_found():
    installed = Plugins().registry
    found = component_versions([entry("OfPlugin")], installed)
    assert found == {"nnplug-x": "1.0", "nnplug-nnunet": version("nnplug-nnunet")}


def test_a_base_class_of_a_library_is_found():
    found = component_versions([entry("OfLibrary")], Registry([]))
    assert found == {"nnplug-x": "1.0", "msgspec": version("msgspec")}


def test_a_function_has_no_base_class():
    assert component_versions([entry("make")], Registry([])) == {"nnplug-x": "1.0"}
