"""The kit catches components that break their contracts: one per kind, each for one thing."""

from __future__ import annotations

import copy
import re
import sys
from types import ModuleType

import numpy as np
import pytest
from torch import Tensor, nn

from nnplug.contracts import TrainingLength
from nnplug.errors import NnplugError
from nnplug.plans.fingerprint import Fingerprint
from nnplug.registry.components import Entry, Kind, Registry, Source
from nnplug.registry.entries import COMPONENTS, ArchitectureComponent, ConverterComponent
from nnplug.registry.loader import Plugins
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.testing import Check, checks, checks_of, entries_of, require
from nnplug.testing.check import State
from nnplug.testing.pytest import parametrize_components
from nnplug_nnunet.converters import Decathlon

SOURCE = Source("fake", "nnplug-fake", "1.0")


@pytest.fixture
def problem(monkeypatch):
    """`problem(kind, target, check)`: what the kit says of a component."""

    def run(kind, target, name):
        module = ModuleType("fake_components")
        module.Fake = target
        monkeypatch.setitem(sys.modules, "fake_components", module)
        entry = Entry(COMPONENTS[kind]("fake", "fake_components:Fake", "", **FLAGS.get(target, {})), SOURCE)
        return {check.name: check for check in checks(entry, Registry([entry]))}[name].problem()

    return run


class ForgetfulExtractor:
    def extract(self, dataset, *, executor, progress):
        return Fingerprint(
            spacings=((1.0, 1.0, 1.0),),
            shapes_after_crop=((4, 4, 4),),
            foreground_intensity_properties_per_channel={},
            median_relative_size_after_cropping=1.0,
        )


class DictPlanner:
    def plan(self, fingerprint, description, context):
        return {}


class DoubleNormalizer:
    zeroes_outside_mask = False

    def normalize(self, image, mask, intensity):
        return image.astype(np.float64)


class ShallowArchitecture:
    @classmethod
    def options_for(cls, topology):
        return {}

    def build(self, *, channels, outputs):
        return nn.Conv3d(channels, outputs, 1)


class CrookedArchitecture(ShallowArchitecture):
    def split_head(self, network):
        return nn.Identity(), nn.Conv3d(network.in_channels, network.out_channels, 1)


class WideArchitecture(ShallowArchitecture):
    def split_head(self, network):
        return nn.Identity(), nn.Conv3d(network.in_channels, network.out_channels, 3, padding=1)


FLAGS = {
    ShallowArchitecture: {"takes_topology": True},
    CrookedArchitecture: {"takes_topology": True, "has_linear_head": True},
    WideArchitecture: {"takes_topology": True, "has_linear_head": True},
}


class LeakyAugmenter:
    def bind(self, context):
        class Bound:
            source_patch_size = context.patch_size

            def __call__(self, image, label, rng):
                return image, label

        return Bound()


class LazyTrainer:
    def mirror_axes(self, dimensions):
        return (0, dimensions)

    def length(self, task):
        return TrainingLength(1000, 50, 10)

    def options_for(self, length):
        return {}

    def train(self, task):
        task.run.log.write_text('{"epoch": 0, "lr": 0.1, "train_loss": 1.0, "seconds": 1.0}\n')


class ForeignLogTrainer(LazyTrainer):
    def train(self, task):
        task.run.log.write_text('{"epoch": 0, "loss": 1.0}\n')


class InPlacePostprocessor:
    def fit(self, cases, labels, *, executor, progress):
        return {"sizes": (1, 2)}

    def apply(self, label_map, rule, *, spacing, labels):
        label_map[...] = 0
        return label_map


class ClosingExtractor:
    def extract(self, dataset, *, executor, progress):
        list(executor.map(lambda case: dataset, dataset.training_cases(), stage="fingerprint"))


class SilentExecutor(LocalExecutor):
    """Sorts what it should leave in order, stops at the first failure and reports nothing."""

    def map(self, function, items, *, stage, name=str):
        return iter(sorted((function(item) for item in items), reverse=True))

    def map_on_device(self, function, items, *, stage, name=str, progress):
        return iter([function(item, Silent()) for item in items])


class RoundingAccelerator:
    """Computes logits in half precision."""

    def accelerate(self, network, workload):
        network.register_forward_hook(lambda module, inputs, logits: half(logits))
        return network


def half(logits):
    return logits.half().float() if isinstance(logits, Tensor) else [one.half().float() for one in logits]


class FreezingAccelerator:
    def accelerate(self, network, workload):
        network.twice.register_forward_hook(lambda module, inputs, output: output.detach())
        return network


class RenamingAccelerator:
    def accelerate(self, network, workload):
        return nn.Sequential(network)


class CopyingAccelerator:
    def accelerate(self, network, workload):
        return copy.deepcopy(network)


class InPlaceAccelerator:
    """Overwrites the input of norms, which the network needs again."""

    def accelerate(self, network, workload):
        network.norm.register_forward_hook(lambda module, inputs, output: inputs[0].copy_(output))
        return network if workload.purpose == "prediction" else None


@pytest.mark.parametrize(
    ("kind", "target", "check", "message"),
    [
        (
            Kind.EXTRACTOR,
            ForgetfulExtractor,
            "measures a dataset and writes nothing",
            "spacings has 1 entries for 3 cases",
        ),
        (
            Kind.EXTRACTOR,
            ClosingExtractor,
            "gives jobs that other processes can run",
            r"cannot go to another process .*; give a function of a module",
        ),
        (Kind.EXECUTOR, SilentExecutor, "gives results in the order of the items", "the squares of .* came back as"),
        (Kind.EXECUTOR, SilentExecutor, "finishes the others where one fails, and names it", "5 is bad"),
        (Kind.EXECUTOR, SilentExecutor, "relays what jobs report", "'item 2 1/3' is not in"),
        (Kind.PLANNER, DictPlanner, "plans 3D images", "planning gave dict instead of nnplug.plans.plans.Plans"),
        (Kind.NORMALIZER, DoubleNormalizer, "normalises a whole image", "came back as float64; it must be float32"),
        (Kind.ARCHITECTURE, ShallowArchitecture, "builds a 3D network", "training mode gave no list of logits"),
        (
            Kind.ARCHITECTURE,
            CrookedArchitecture,
            "predicts the same with its last layer apart",
            "split_head changes logits by",
        ),
        (
            Kind.ARCHITECTURE,
            WideArchitecture,
            "predicts the same with its last layer apart",
            r"the weight of split_head's layer has shape \(3, .*, 3, 3, 3\)",
        ),
        (Kind.AUGMENTER, LeakyAugmenter, "augments 3D patches", "-1 is still in the label; it must have become 0"),
        (Kind.TRAINER, LazyTrainer, "mirrors axes that exist", r"mirror_axes\(2\) is \(0, 2\)"),
        (Kind.TRAINER, LazyTrainer, "trains a 3D network", "train left no weights_best.safetensors"),
        (Kind.TRAINER, LazyTrainer, "shortens itself", r"options_for\(.*the length is TrainingLength\(iterations=1000"),
        (Kind.TRAINER, ForeignLogTrainer, "writes a log that others read", "log.jsonl, line 1: .*unknown field 'loss'"),
        (Kind.POSTPROCESSOR, InPlacePostprocessor, "fits a rule that JSON holds", "is not what JSON holds"),
        (Kind.ACCELERATOR, RoundingAccelerator, "predicts the same in 3D", "logits change by .* of the largest"),
        (Kind.ACCELERATOR, InPlaceAccelerator, "predicts the same in 2D", "logits change by .* of the largest"),
        (Kind.ACCELERATOR, FreezingAccelerator, "has the same gradients in 3D", "parameter .* has no gradient"),
        (Kind.ACCELERATOR, RenamingAccelerator, "keeps the parameters for training", "the names in the state dict"),
        (Kind.ACCELERATOR, CopyingAccelerator, "keeps the parameters for prediction", "is another object"),
        (Kind.POSTPROCESSOR, InPlacePostprocessor, "applies its rule to a copy", "that was given has been changed"),
    ],
)
def test_a_broken_component_is_caught(problem, kind, target, check, message):
    assert re.search(message, problem(kind, target, check) or "")


def test_torch_at_module_level_is_caught(tmp_path, monkeypatch):
    (tmp_path / "fake_heavy.py").write_text("import torch\nclass Fake: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    entry = Entry(ArchitectureComponent("fake", "fake_heavy:Fake", ""), SOURCE)
    (check,) = [c for c in checks(entry, Registry([entry])) if c.name == "imports no torch"]
    assert check.problem() == "importing fake_heavy:Fake imports torch; import it inside the functions that use it"


def test_inherited_capabilities_need_no_word_in_the_entry(tmp_path, monkeypatch):
    """A subclass may change what they rest on, so the kit only tells that nothing uses them."""
    (tmp_path / "fake_lab.py").write_text(
        "from nnplug_nnunet.planning.planner import NnunetPlanner\n"
        "class Inherits(NnunetPlanner): ...\n"
        "class Defines(NnunetPlanner):\n"
        "    def memory_target(self): return super().memory_target()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def verdict(name):
        entry = Entry(COMPONENTS[Kind.PLANNER]("fake", f"fake_lab:{name}", ""), SOURCE)
        (check,) = [c for c in checks(entry, Registry([entry])) if c.name == "says in its entry what its class can do"]
        return check.verdict()

    inherits, defines = verdict("Inherits"), verdict("Defines")
    assert inherits.state is State.SKIPPED
    assert "Inherits inherits the methods of plans_for_memory, which are not used" in inherits.reason
    assert defines.state is State.FAILED
    assert "Defines has the methods of plans_for_memory, but its entry does not say so" in defines.reason


def test_a_check_that_leaves_the_program_is_a_problem():
    def leave():
        raise SystemExit("no licence")

    assert Check("a", leave).problem().startswith("SystemExit: no licence (test_kit.py, line ")


RECIPES = """
    @hookimpl
    def nnplug_recipes():
        yield Recipe("fine", {"architecture": "plain-conv-unet"}, "", {"architecture": {"norm": "batch"}})
        yield Recipe("absent", {"trainer": "nnunett"}, "")
        yield Recipe("misspelt", {}, "", {"trainer": {"epoch": 3}})
        yield Recipe("foreign", {"architecture": "plain-conv-unet"}, "", {"architecture": {"colour": 3}})
"""


def test_a_whole_plugin_is_checked_with_its_recipes(install):
    install("nnplug-fake", "fake", RECIPES)
    problems = {(what, check.name): check.problem() for what, check in checks_of(Plugins(), "nnplug-fake")}
    assert list(problems)[:2] == [("plugin fake", "loads"), ("plugin fake", "imports quickly, without torch")]
    words = "chooses components and options that exist"
    assert problems["recipe fine", words] is None
    assert problems["recipe absent", words] == "no trainer is called 'nnunett'. Did you mean 'nnunet'?"
    assert problems["recipe misspelt", words] == "trainer 'nnunet' has no option 'epoch'. Did you mean 'epochs'?"
    assert problems["recipe foreign", words] == "architecture 'plain-conv-unet' has no option colour"


def test_a_plugin_that_imports_torch_is_told(install, monkeypatch):
    info = install("nnplug-fake", "fake", RECIPES)
    module = info.parent / "fake_nnplug_fake.py"
    module.write_text("import torch\n" + module.read_text())
    (check,) = [check for _, check in checks_of(Plugins(), "fake") if check.name.startswith("imports quickly")]
    assert check.problem().startswith("importing fake_nnplug_fake imports torch; import it inside the functions")


def test_an_unexpected_exception_is_told_with_its_place():
    assert Check("a", lambda: require(1, "")).problem() is None
    assert "ZeroDivisionError" in Check("a", lambda: 1 / 0).problem()
    assert "test_kit.py, line" in Check("a", lambda: 1 / 0).problem()


def test_unknown_blocked_and_known_plugins():
    with pytest.raises(NnplugError, match="no plugin or distribution is called 'nope'. Installed plugins: .*nnunet"):
        entries_of(Plugins(), "nope")
    with pytest.raises(NnplugError, match="plugin 'nnunet' of nnplug-nnunet .* is blocked: no:nnunet"):
        entries_of(Plugins(block=["nnunet"]), "nnunet")
    assert entries_of(Plugins(), "nnplug-nnunet") == entries_of(Plugins(), "nnunet") != []


def test_pytest_skips_what_could_not_be_tried():
    mark = parametrize_components(Plugins(), "nnunet")
    (case,) = [case for case in mark.args[1] if case.id == "normalizer-ct: looks inside the mask alone"]
    with pytest.raises(pytest.skip.Exception, match="not checked: zeroes_outside_mask is False"):
        case.values[0].run()


def test_the_example_of_a_converter_of_files_has_one(monkeypatch):
    module = ModuleType("fake_lists")
    module.Fake = Decathlon
    monkeypatch.setitem(sys.modules, "fake_lists", module)
    entry = Entry(ConverterComponent("fake", "fake_lists:Fake", "", source_ending=".csv"), SOURCE)
    (check,) = (one for one in checks(entry, Registry([entry])) if one.name.startswith("surveys"))
    assert "the example has 0 files .csv in its folder; expected one" in str(check.problem())
