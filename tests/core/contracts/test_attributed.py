"""Components at work elsewhere: their jobs and transforms are told under their names."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest

from nnplug.contracts import AugmentationContext
from nnplug.contracts.attributed import AttributingAugmenter, AttributingExecutor, build_network
from nnplug.errors import ComponentFailed, InvalidPlugin, Problems
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
    executor = AttributingExecutor(LocalExecutor(2), made(Kind.EXTRACTOR, Component_()))
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
    bound = AttributingAugmenter(made(Kind.AUGMENTER, Augmenter(crop))).bind(CONTEXT)
    image, label = bound(*SAMPLE, np.random.default_rng(0), previous=previous)
    assert bound.source_patch_size == (6, 6, 6)
    assert (image.shape, label.shape) == ((2, 4, 4, 4), (4, 4, 4))


@pytest.mark.parametrize(
    ("transform", "error", "message"),
    [
        (lambda image, label: image[9], ComponentFailed, "augmenter 'mine' from nnplug-x 1.0 failed: IndexError"),
        (lambda image, label: None, ComponentFailed, "augmenter 'mine' .* failed: TypeError: cannot unpack"),
        (
            lambda image, label: (image, label),
            InvalidPlugin,
            r"augmenter 'mine' .* gave an image of \(6, 6, 6\) voxels and a label .* for a patch of \(4, 4, 4\)",
        ),
    ],
)
def test_an_augmenter_that_breaks_its_contract_is_named(transform, error, message):
    bound = AttributingAugmenter(made(Kind.AUGMENTER, Augmenter(transform))).bind(CONTEXT)
    with pytest.raises(error, match=message):
        bound(*SAMPLE, np.random.default_rng(0))


def test_batches_are_augmented_under_the_augmenters_name():
    class Batching(Augmenter):
        def bind_batches(self, context):
            raise KeyError("batches")

    component = made(Kind.AUGMENTER, Batching(crop))
    with pytest.raises(ComponentFailed, match=r"augmenter 'mine' .* failed: KeyError: 'batches'"):
        AttributingAugmenter(component, component).bind_batches(CONTEXT)


def test_an_augmenter_that_promises_no_batches_augments_none():
    assert AttributingAugmenter(made(Kind.AUGMENTER, Augmenter(crop))).bind_batches(CONTEXT) is None


def test_what_is_no_network_is_told():
    architecture = made(Kind.ARCHITECTURE, Component_())
    architecture.build = lambda *, channels, outputs: "a network"
    with pytest.raises(InvalidPlugin, match=r"architecture 'mine' .* gave str instead of torch\.nn\.modules\.module"):
        build_network(architecture, channels=1, outputs=2)
