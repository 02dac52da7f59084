"""nnU-Net's names of trainers and planners in ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nnplug.errors import NnplugError, UnknownComponent
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug_nnunet.nnunet_models import primus
from nnplug_nnunet.nnunet_models.vocabulary import NETWORKS, NORMALIZERS, RESAMPLERS
from nnplug_nnunetv2_commands.class_names import planners, trainers
from nnplug_nnunetv2_commands.class_names.trainers import CLASSES, find_trainer
from nnplug_nnunetv2_commands.plans_files import load_plans

NAMES = json.loads((Path(__file__).parents[1] / "golden" / "class_names.json").read_text())
PAGE = (Path(__file__).parents[4] / "docs" / "nnunetv2-commands.md").read_text()


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
        ("nnUNetTrainer_onlyMirror01_1500ep", {"unmirrored_axes": [-1], "epochs": 1500}),
        ("nnUNetTrainer_DASegOrd0_NoMirroring", {"mirroring": False}),
        ("nnUNetTrainerDA5_10epochs", {"epochs": 10}),
        ("nnUNetTrainer_warmup_100epochs", {"warmup_epochs": 50, "epochs": 100}),
    ],
)
def test_a_class_is_options(name, training):
    choice = find_trainer(name, ["nnunet"])
    assert choice.component == "nnunet"
    assert choice.options["trainer"] == training


def test_a_plugins_trainer_goes_by_its_own_name():
    assert find_trainer("acme", ["acme", "nnunet"]).component == "acme"


@pytest.mark.parametrize("name", ["nnUNetTrainerDA6", "nnUNetTrainer_0epochs", "nnUNetTrainer_epochs", "mine"])
def test_an_unknown_one_is_named_with_what_there_is(name):
    with pytest.raises(UnknownComponent, match=f"no trainer is called '{name}'. There are nnUNetTrainer, .*by plugins"):
        find_trainer(name, ["nnunet"])


@pytest.mark.parametrize("name", CLASSES)
def test_every_option_is_one_that_the_component_has(name):
    registry, choice = Plugins().registry, find_trainer(name, [])
    components = {"trainer": "nnunet", "augmenter": "nnunet", **choice.named}
    for kind, options in choice.options.items():
        if kind in components:
            registry.create(Kind(kind), components[kind], options)
        else:
            assert (kind, options) == ("architecture", {"norm": "batch"})


def named_on_the_page(name):
    return re.search(rf"`(\.\.)?{re.escape(name)}`", PAGE) is not None


@pytest.mark.parametrize("name", NAMES["trainers"])
def test_every_trainer_that_nnunet_ships_is_mapped_or_refused_with_a_reason(name):
    if name in trainers.REFUSED:
        with pytest.raises(
            UnknownComponent, match=f"trainer '{name}': {re.escape(trainers.REFUSED[name])}. Give another"
        ):
            find_trainer(name, ["nnunet"])
    else:
        assert find_trainer(name, ["nnunet"]).component == "nnunet"
    assert named_on_the_page(name), "docs/nnunetv2-commands.md says what it means, or why it is refused"


@pytest.mark.parametrize("name", NAMES["planners"])
def test_every_planner_that_nnunet_ships_is_mapped_or_refused_with_a_reason(name):
    assert (name in planners.CLASSES) is not (name in planners.REFUSED)
    assert named_on_the_page(name)


@pytest.mark.parametrize(
    ("kind", "mapped"),
    [
        ("extractors", {"DatasetFingerprintExtractor"}),
        ("preprocessors", {"DefaultPreprocessor"}),
        ("normalizers", set(NORMALIZERS)),
        ("resampling", set(RESAMPLERS)),
        ("architectures", {name.rpartition(".")[2] for name in (*NETWORKS, primus.CLASS)}),
    ],
)
def test_the_page_names_every_other_class_and_refuses_what_has_no_component(kind, mapped):
    refused = re.findall(r"^\| (`[^|]*`) \| refused: [a-z]", PAGE, re.MULTILINE)
    without = {name for cell in refused for name in re.findall(r"`(\w+)`", cell)}
    assert [name for name in NAMES[kind] if not named_on_the_page(name)] == []
    assert {name for name in NAMES[kind] if name not in mapped} == without & set(NAMES[kind])


@pytest.mark.parametrize("name", planners.CLASSES)
def test_every_planner_is_there(name):
    plugged = Plugins().registry.names(Kind.PLANNER)
    assert planners.find_planner(name, plugged).component in plugged


def test_a_plugins_planner_goes_by_its_own_name_and_an_unknown_one_is_named():
    assert planners.find_planner("acme", ["acme"]).plans == "acmePlans"
    with pytest.raises(UnknownComponent, match="no planner is called 'X'. There are ExperimentPlanner"):
        planners.find_planner("X", ["acme"])


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        ("nnUNetTrainerTopk10LossLS01", {"loss": ("topk", {"label_smoothing": 0.1})}),
        (
            "nnUNetTrainer_onlyMirror01_DA5",
            {"augmenter": ("nnunet-da5", {}), "trainer": ("nnunet", {"unmirrored_axes": [-1]})},
        ),
        ("nnUNet_Trainer_BS8", {}),
        ("nnUNet_Primus_M_Trainer_BS8", {}),
    ],
)
def test_plans_name_what_a_class_stands_for(tmp_path, name, chosen):
    raw = planned([16, 24, 24])
    (tmp_path / "plans.json").write_text(json.dumps(raw))
    plans = load_plans(tmp_path / "plans.json", "3d_fullres", find_trainer(name, []), Plugins().registry)
    for kind, (component, options) in chosen.items():
        assert (plans.choices[kind].name, plans.choices[kind].options) == (component, options)
    sizes = {key: configuration.batch_size for key, configuration in plans.configurations.items()}
    before = {key: one["batch_size"] for key, one in raw["configurations"].items()}
    assert sizes == ({**before, "3d_fullres": 8} if name.endswith("BS8") else before)
    networks = {key: configuration.architecture for key, configuration in plans.configurations.items()}
    assert networks["2d"].name == "residual-encoder-unet"
    if "Primus" in name:
        assert networks["3d_fullres"].name == "primus"
        assert networks["3d_fullres"].options == {"patch_size": [16, 24, 24], "size": "M"}
    else:
        assert networks["3d_fullres"].name == "residual-encoder-unet"


def planned(patch_size):
    path = Path(__file__).parents[2] / "nnunet" / "nnunet_models" / "golden" / "residual" / "model" / "plans.json"
    raw = json.loads(path.read_text())
    raw["configurations"]["3d_fullres"]["patch_size"] = patch_size
    return raw


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (
            "3d_fullres",
            r'primus takes no patch of \[10, 24, 24\]\. Write "patch_size": \[8, 24, 24\] into configuration',
        ),
        ("2d", r"primus takes no patch within \[24, 24\]; it needs 3 axes of at least 8 voxels"),
    ],
)
def test_a_patch_that_primus_cannot_take_is_refused_with_one_that_it_can(tmp_path, configuration, message):
    (tmp_path / "plans.json").write_text(json.dumps(planned([10, 24, 24])))
    trainer = find_trainer("nnUNet_Primus_S_Trainer", [])
    with pytest.raises(NnplugError, match=message):
        load_plans(tmp_path / "plans.json", configuration, trainer, Plugins().registry)
