"""Components at work elsewhere: their jobs and transforms are told under their names."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from nnplug.contracts import AugmentationContext, DrawnSamples
from nnplug.contracts.attributed.architecture import build_network
from nnplug.contracts.attributed.augmenter import AttributedAugmenter
from nnplug.contracts.attributed.executor import AttributedExecutor
from nnplug.errors import ComponentFailed, InvalidPlugin, NnplugError, Problems
from nnplug.registry.attribution import tagged
from nnplug.registry.components import Entry, Kind, Source
from nnplug.registry.entries import COMPONENTS
from nnplug.runtime.executor import LocalExecutor
from nnplug.runtime.progress import Silent
from nnplug.testing import samples

SOURCE = Source("x", "nnplug-x", "1.0")


def made(kind, component):
    return tagged(component, Entry(COMPONENTS[kind]("mine", "test_attributed:X", ""), SOURCE).origin)


class Component_:
    """Whatever can carry its name."""


def invert(item, *_):
    return 1 / item


@pytest.mark.parametrize("way", ["map", "map_on_device"])
def test_a_job_that_fails_names_component_and_case_and_the_others_are_finished(way):
    executor = AttributedExecutor(LocalExecutor(2), made(Kind.EXTRACTOR, Component_()))
    more = {"progress": Silent()} if way == "map_on_device" else {}
    with closing(executor):
        results = getattr(executor, way)(invert, [1, 0, 2], stage="measure", name=lambda item: f"case_{item}", **more)
        assert [next(results), next(results)] == [1, 0.5]
        with pytest.raises(Problems) as problems:
            next(results)
    (line,) = problems.value.lines
    assert line.startswith("measure of case_0: extractor 'mine' from nnplug-x 1.0 failed: ZeroDivisionError: division")
    assert executor.slots == 1


@dataclass
class Augmenter(Component_):
    transform: object
    source_patch_size: object = (6, 6, 6)

    def bind(self, context):
        return self

    def __call__(self, image, label, rng, **previous):
        return self.transform(image, label)


CONTEXT = AugmentationContext((4, 4, 4), (), (), samples.LABELS)
SAMPLE = np.zeros((2, 6, 6, 6), np.float32), np.zeros((6, 6, 6), np.int16)


def crop(image, label):
    return image[:, 1:-1, 1:-1, 1:-1], label[1:-1, 1:-1, 1:-1]


@pytest.mark.parametrize("previous", [None, SAMPLE[1]])
def test_a_sound_augmenter_is_left_alone(previous):
    bound = AttributedAugmenter(made(Kind.AUGMENTER, Augmenter(crop))).bind(CONTEXT)
    image, label = bound(*SAMPLE, np.random.default_rng(0), previous=previous)
    assert bound.source_patch_size == (6, 6, 6)
    assert (image.shape, label.shape) == ((2, 4, 4, 4), (4, 4, 4))


@pytest.mark.parametrize(
    ("transform", "error", "message"),
    [
        (lambda image, label: image[9], ComponentFailed, "augmenter 'mine' from nnplug-x 1.0 failed: IndexError"),
        (lambda image, label: None, InvalidPlugin, "augmenter 'mine' .* gave NoneType instead of image and label"),
        (
            lambda image, label: (image, label),
            InvalidPlugin,
            r"augmenter 'mine' .* gave an image of \(6, 6, 6\) voxels and a label .* for a patch of \(4, 4, 4\)",
        ),
    ],
)
def test_an_augmenter_that_breaks_its_contract_is_named(transform, error, message):
    bound = AttributedAugmenter(made(Kind.AUGMENTER, Augmenter(transform))).bind(CONTEXT)
    with pytest.raises(error, match=message):
        bound(*SAMPLE, np.random.default_rng(0))


def test_batches_are_augmented_under_the_augmenters_name():
    class Batching(Augmenter):
        def bind_batches(self, context):
            raise KeyError("batches")

    component = made(Kind.AUGMENTER, Batching(crop))
    with pytest.raises(ComponentFailed, match=r"augmenter 'mine' .* failed: KeyError: 'batches'"):
        AttributedAugmenter(component, component).bind_batches(CONTEXT)


def test_an_augmenter_that_promises_no_batches_augments_none():
    assert AttributedAugmenter(made(Kind.AUGMENTER, Augmenter(crop))).bind_batches(CONTEXT) is None


def test_what_is_no_network_is_told():
    architecture = made(Kind.ARCHITECTURE, Component_())
    architecture.build = lambda *, channels, outputs: "a network"
    with pytest.raises(InvalidPlugin, match=r"architecture 'mine' .* gave str instead of torch\.nn\.modules\.module"):
        build_network(architecture, channels=1, outputs=2)


class Batching(Augmenter):
    """An augmenter whose batches are what `transform` makes of the first group."""

    def bind_batches(self, context):
        return self

    def __call__(self, groups):
        return self.transform(groups[0].image, groups[0].label)


def bound_batches(transform, batches_per_epoch=1):
    component = made(Kind.AUGMENTER, Batching(transform))
    return AttributedAugmenter(component, component, batches_per_epoch).bind_batches(CONTEXT)


def group(image):
    return [DrawnSamples((0,), image, torch.zeros(1, 4, 4, 4, dtype=torch.int16), (None,))]


BATCH = torch.zeros(1, 2, 4, 4, 4)


def test_the_values_of_the_first_batch_of_each_epoch_are_checked():
    batches = bound_batches(lambda image, label: (image, label), batches_per_epoch=3)
    sick = group(BATCH * torch.nan)
    batches(group(BATCH))
    for _ in range(2):  # not looked at: reading a value stops a GPU
        batches(sick)
    with pytest.raises(InvalidPlugin, match=r"augmenter 'mine' .* gave an image with values that are not finite"):
        batches(sick)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (lambda image, label: image, "gave Tensor instead of image and label"),
        (lambda image, label: (image.numpy(), label), r"gave ndarray instead of torch\.Tensor"),
        (lambda image, label: (image.double(), label), "gave an image of float64; expected float32"),
        (lambda image, label: (image, label.long()), "gave a label of int64; expected int16"),
        (lambda image, label: (image[:, :1], label), "gave an image of 1 channels; expected 2"),
        (lambda image, label: (image.to("meta"), label), "gave a batch on meta and cpu; expected cpu"),
        (lambda image, label: (image, label - 1), "gave label -1; expected labels from 0 to 2"),
    ],
)
def test_a_batch_that_breaks_its_contract_is_the_augmenters_fault(transform, message):
    with pytest.raises(InvalidPlugin, match=rf"augmenter 'mine' from nnplug-x 1\.0 {message}"):
        bound_batches(transform)(group(BATCH))


def test_no_value_of_later_batches_is_read():
    batches = bound_batches(lambda image, label: (image, label), batches_per_epoch=2)
    batches(group(BATCH))
    on_meta = DrawnSamples((0,), BATCH.to("meta"), torch.zeros(1, 4, 4, 4, dtype=torch.int16, device="meta"), (None,))
    batches([on_meta])  # a tensor on meta has no values: reading one raises


def test_a_sick_case_is_not_the_augmenters_fault():
    image = np.full((2, 6, 6, 6), np.nan, np.float32)
    bound = AttributedAugmenter(made(Kind.AUGMENTER, Augmenter(lambda i, s: crop(i.copy(), s)))).bind(CONTEXT)
    with pytest.raises(NnplugError, match="^the preprocessed image has values that are not finite") as error:
        bound(image, SAMPLE[1], np.random.default_rng(0))
    assert not isinstance(error.value, InvalidPlugin)
