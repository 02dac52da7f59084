"""nnU-Net's names of trainers and planners in ours."""

from __future__ import annotations

import pytest

from nnplug.errors import UnknownComponent
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug_nnunetv2_commands.class_names import planners
from nnplug_nnunetv2_commands.class_names.trainers import CLASSES, find_trainer


@pytest.mark.parametrize(
    ("name", "training"),
    [
        ("nnUNetTrainer", {}),
        ("nnUNetTrainer_250epochs", {"epochs": 250}),
        ("nnUNetTrainer_1epoch", {"epochs": 1}),
        ("nnUNetTrainerNoMirroring", {"mirroring": False}),
        ("nnUNetTrainer_4000epochs_NoMirroring", {"epochs": 4000, "mirroring": False}),
        ("nnUNetTrainerCELoss_5epochs", {"loss": "ce", "epochs": 5}),
        ("nnUNetTrainerDiceTopK10Loss", {"loss": "dice-topk"}),
        ("nnUNetTrainerCosAnneal", {"schedule": "cosine"}),
    ],
)
def test_a_class_is_options(name, training):
    choice = find_trainer(name, ["nnunet"])
    assert choice.component == "nnunet"
    assert choice.options["trainer"] == training


def test_a_plugins_trainer_goes_by_its_own_name():
    assert find_trainer("acme", ["acme", "nnunet"]).component == "acme"


@pytest.mark.parametrize("name", ["nnUNetTrainerDA5", "nnUNetTrainer_0epochs", "nnUNetTrainer_epochs", "mine"])
def test_an_unknown_one_is_named_with_what_there_is(name):
    with pytest.raises(UnknownComponent, match=f"no trainer is called '{name}'. There are nnUNetTrainer, .*by plugins"):
        find_trainer(name, ["nnunet"])


@pytest.mark.parametrize("name", CLASSES)
def test_every_option_is_one_that_the_component_has(name):
    registry = Plugins().registry
    components = {"trainer": "nnunet", "augmenter": "nnunet"}
    for kind, options in find_trainer(name, []).options.items():
        if kind in components:
            registry.create(Kind(kind), components[kind], options)
        else:
            assert (kind, options) == ("architecture", {"norm": "batch"})


@pytest.mark.parametrize("name", planners.CLASSES)
def test_every_planner_is_there(name):
    plugged = Plugins().registry.names(Kind.PLANNER)
    assert planners.find_planner(name, plugged).component in plugged


def test_a_plugins_planner_goes_by_its_own_name_and_an_unknown_one_is_named():
    assert planners.find_planner("acme", ["acme"]).plans == "acmePlans"
    with pytest.raises(UnknownComponent, match="no planner is called 'X'. There are ExperimentPlanner"):
        planners.find_planner("X", ["acme"])
