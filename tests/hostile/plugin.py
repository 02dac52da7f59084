"""Components whose class has all methods of its contract, and whose results break it: one fault each.

`install("nnplug-hostile", "hostile", ..)` makes a distribution of this file. Its module is then
`fake_nnplug_hostile`.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch

from nnplug import (
    ArchitectureComponent,
    AugmenterComponent,
    ExecutorComponent,
    MetricComponent,
    NormalizerComponent,
    PostprocessorComponent,
    TrainerComponent,
    hookimpl,
)
from nnplug.runtime.executor import LocalExecutor
from nnplug_nnunet.architectures import PlainConvUNet
from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.normalizers import ZScore
from nnplug_nnunet.training.trainer import NnUNetTrainer


def target(name):
    return f"{__name__}:{name}"


@hookimpl
def nnplug_augmenters():
    batches = {"augments_batches": True}
    yield AugmenterComponent("hostile-float64", target("Float64"), "gives images of float64")
    yield AugmenterComponent("hostile-nan", target("Nan"), "gives NaN")
    yield AugmenterComponent("hostile-label", target("OtherLabel"), "gives label 9")
    yield AugmenterComponent("hostile-channels", target("ThreeChannels"), "gives a channel more")
    yield AugmenterComponent("hostile-image", target("ImageAlone"), "gives no label")
    yield AugmenterComponent("hostile-nan-batches", target("NanBatches"), "gives NaN in batches", **batches)
    yield AugmenterComponent("hostile-float64-batches", target("Float64Batches"), "gives batches of float64", **batches)


@dataclass(frozen=True)
class Changed:
    """An augmentation whose result is changed."""

    inner: object
    change: object

    @property
    def source_patch_size(self):
        return self.inner.source_patch_size

    def __call__(self, image, label, rng, *, previous=None):
        return self.change(*self.inner(image, label, rng))


@dataclass(frozen=True)
class ChangedBatches:
    """A batch augmentation whose result is changed."""

    inner: object
    change: object

    def draw(self, rng, channels):
        return self.inner.draw(rng, channels)

    def cut_size(self, drawn):
        return self.inner.cut_size(drawn)

    def __call__(self, groups):
        return self.change(*self.inner(groups))


class Float64(NnunetAugmenter):
    def bind(self, context):
        return Changed(super().bind(context), lambda image, label: (image.astype(np.float64), label))


class Nan(NnunetAugmenter):
    def bind(self, context):
        return Changed(super().bind(context), lambda image, label: (image * np.float32("nan"), label))


class OtherLabel(NnunetAugmenter):
    def bind(self, context):
        return Changed(super().bind(context), lambda image, label: (image, label + np.int16(9)))


class ThreeChannels(NnunetAugmenter):
    def bind(self, context):
        return Changed(super().bind(context), lambda image, label: (np.concatenate([image, image[:1]]), label))


class ImageAlone(NnunetAugmenter):
    def bind(self, context):
        return Changed(super().bind(context), lambda image, label: image)


class NanBatches(NnunetAugmenter):
    def bind_batches(self, context):
        return ChangedBatches(super().bind_batches(context), lambda image, label: (image * torch.nan, label))


class Float64Batches(NnunetAugmenter):
    def bind_batches(self, context):
        return ChangedBatches(super().bind_batches(context), lambda image, label: (image.double(), label))


@hookimpl
def nnplug_normalizers():
    yield NormalizerComponent("hostile-infinite", target("Infinite"), "divides by zero")


class Infinite(ZScore):
    def normalize(self, image, mask, intensity):
        with np.errstate(divide="ignore", invalid="ignore"):
            return super().normalize(image, mask, intensity) / np.float32(0)


@hookimpl
def nnplug_architectures():
    for name, summary in (("outputs", "one output too many"), ("list", "a list in evaluation mode")):
        component = {"outputs": "ManyOutputs", "list": "AlwaysList"}[name]
        yield ArchitectureComponent(f"hostile-{name}", target(component), summary, takes_topology=True)


class ManyOutputs(PlainConvUNet):
    def build(self, *, channels, outputs):
        return super().build(channels=channels, outputs=outputs + 1)


class AlwaysList(PlainConvUNet):
    def build(self, *, channels, outputs):
        network = super().build(channels=channels, outputs=outputs)
        forward = network.forward

        def listed(x):
            logits = forward(x)
            return logits if isinstance(logits, list) else [logits]

        network.forward = listed
        return network


@hookimpl
def nnplug_trainers():
    yield TrainerComponent("hostile-nothing", target("DoesNothing"), "returns at once")
    yield TrainerComponent("hostile-state", target("LeavesState"), "leaves the state of a stopped training")
    yield TrainerComponent("hostile-weights", target("OtherWeights"), "writes the weights of another network")
    yield TrainerComponent("hostile-rate", target("TextRate"), "gives its learning rate as text")


class DoesNothing(NnUNetTrainer):
    def train(self, task):
        pass


class LeavesState(NnUNetTrainer):
    def train(self, task):
        super().train(task)
        task.run.state.write_bytes(b"state")


class OtherWeights(NnUNetTrainer):
    def train(self, task):
        from safetensors.torch import save_file

        super().train(task)
        save_file(OrderedDict(other=torch.zeros(2)), task.run.final_weights)


class TextRate(NnUNetTrainer):
    def learning_rate(self, iteration):
        return "0.01"


@hookimpl
def nnplug_postprocessors():
    yield PostprocessorComponent("hostile-77", target("SeventySeven"), "writes label 77")
    yield PostprocessorComponent("hostile-float", target("FloatLabels"), "gives probabilities")
    yield PostprocessorComponent("hostile-rule", target("NoJson"), "fits a rule that is no JSON")


class SeventySeven:
    def fit(self, cases, labels, *, executor, progress):
        return {"value": 77}

    def apply(self, label_map, rule, *, spacing, labels):
        label_map[0, 0, 0] = rule["value"]
        return label_map


class FloatLabels(SeventySeven):
    def apply(self, label_map, rule, *, spacing, labels):
        return label_map / 2


class NoJson(SeventySeven):
    def fit(self, cases, labels, *, executor, progress):
        return {"limits": [{"voxels": np.int64(3)}]}


@hookimpl
def nnplug_metrics():
    yield MetricComponent("hostile-text", target("Text"), "gives words")
    yield MetricComponent("hostile-key", target("OtherFigure"), "gives another figure than it declares")
    yield MetricComponent("hostile-class", target("OneClass"), "leaves a class out")


class Text:
    figures, ranked = ("odd",), {}

    def measure(self, reference, prediction, labels, *, spacing):
        return {key: {"odd": "good"} for key in labels.keys}


class OtherFigure(Text):
    def measure(self, reference, prediction, labels, *, spacing):
        return {key: {"even": 1.0} for key in labels.keys}


class OneClass(Text):
    def measure(self, reference, prediction, labels, *, spacing):
        return {labels.keys[0]: {"odd": 1.0}}


@hookimpl
def nnplug_executors():
    yield ExecutorComponent("hostile-drop", target("Drops"), "drops an item")
    yield ExecutorComponent("hostile-double", target("Doubles"), "gives a result twice")
    yield ExecutorComponent("hostile-swap", target("Swaps"), "swaps results")
    yield ExecutorComponent("hostile-none", target("Nothing"), "gives None for every item")


class Drops(LocalExecutor):
    def map(self, function, items, *, stage, name=str):
        results = list(super().map(function, items, stage=stage, name=name))
        return iter(results[:-1])


class Doubles(LocalExecutor):
    def map(self, function, items, *, stage, name=str):
        results = list(super().map(function, items, stage=stage, name=name))
        return iter([*results, results[-1]])


class Swaps(LocalExecutor):
    def map(self, function, items, *, stage, name=str):
        return reversed(list(super().map(function, items, stage=stage, name=name)))


class Nothing(LocalExecutor):
    def map(self, function, items, *, stage, name=str):
        return iter([None for _ in super().map(function, items, stage=stage, name=name)])
