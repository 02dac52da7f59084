"""Sizes of growing patches: from the architecture's check alone, for every network, and their epochs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

from hypothesis import given, settings
from hypothesis import strategies as st

from nnplug.contracts import Topology
from nnplug.errors import NnplugError
from nnplug.registry.options import build
from nnplug.testing.trainings import Setting, make_task
from nnplug_fast.growth import growing_settings, patch_sizes, size_of_epoch
from nnplug_fast.shared_cases import SharedCases
from nnplug_nnunet.architectures.plain import PlainConvUNet
from nnplug_nnunet.architectures.primus import Primus
from nnplug_nnunet.training.batch_settings import BatchSettings


def unet(strides, **options):
    stages, axes = len(strides), len(strides[0])
    topology = Topology(strides=strides, kernel_sizes=((3,) * axes,) * stages, features_per_stage=(4,) * stages)
    return build(PlainConvUNet, {**PlainConvUNet.options_for(topology), **options}, what="unet")


HIPPOCAMPUS = unet(((1,) * 3, (2,) * 3, (2,) * 3, (2,) * 3))


def test_sizes_of_a_volume_grow_by_the_strides_the_smallest_next_size_first():
    sizes = patch_sizes((40, 56, 40), HIPPOCAMPUS.check_patch)
    assert sizes[:6] == ((8, 8, 16), (8, 16, 16), (16, 16, 16), (16, 16, 24), (16, 24, 24), (24, 24, 24))
    assert sizes[-3:] == ((40, 40, 40), (40, 48, 40), (40, 56, 40))
    assert len(sizes) == 14


def test_one_voxel_at_the_bottleneck_is_left_to_networks_whose_norm_takes_it():
    normed = replace(HIPPOCAMPUS, norm="batch")
    assert patch_sizes((40, 56, 40), normed.check_patch)[0] == (8, 8, 8)


def test_thick_slices_and_images_have_their_own_steps():
    thick = unet(((1, 1, 1), (1, 2, 2), (2, 2, 2)))
    sizes = patch_sizes((6, 12, 8), thick.check_patch)
    assert sizes == ((4, 4, 4), (6, 4, 4), (6, 4, 8), (6, 8, 8), (6, 12, 8))
    flat = unet(((1, 1), (2, 2), (2, 2)))
    assert patch_sizes((8, 12), flat.check_patch) == ((4, 8), (8, 8), (8, 12))


def test_a_network_of_one_size_keeps_it():
    primus = Primus(patch_size=(16, 24, 16))
    assert patch_sizes((16, 24, 16), primus.check_patch) == ((16, 24, 16),)


STRIDES = st.integers(2, 3).flatmap(
    lambda axes: st.lists(st.tuples(*[st.sampled_from([1, 2, 3])] * axes), min_size=1, max_size=3)
)


@settings(deadline=None, max_examples=60)
@given(STRIDES, st.lists(st.integers(1, 5), min_size=3, max_size=3), st.sampled_from(["instance", "batch"]))
def test_every_size_is_taken_each_is_a_step_and_the_last_is_the_planned_one(strides, factors, norm):
    network = unet(((1,) * len(strides[0]), *strides), norm=norm)
    planned = tuple(d * f for d, f in zip(network.divisor, factors, strict=False))
    try:
        network.check_patch(planned)
    except NnplugError:
        return
    sizes = patch_sizes(planned, network.check_patch)
    for size in sizes:
        network.check_patch(size)
    assert sizes[-1] == planned
    assert len(set(sizes)) == len(sizes)
    for smaller, larger in pairwise(sizes):
        grown = [b - a for a, b in zip(smaller, larger, strict=True) if a != b]
        assert len(grown) == 1
        assert grown[0] in network.divisor
    assert prod(sizes[0]) <= 2 * prod(network.divisor)


@given(st.integers(1, 20), st.integers(1, 200))
def test_every_size_has_the_same_number_of_epochs_and_the_last_the_rest(count, epochs):
    sizes = tuple((8 * n,) for n in range(1, count + 1))
    found = [size_of_epoch(sizes, epoch, epochs) for epoch in range(epochs)]
    numbers = [found.count(size) for size in sizes if size in found]
    assert found == sorted(found)
    assert found[-1] == sizes[-1]
    assert len(set(numbers[:-1])) <= 1
    if count <= epochs:
        assert numbers[:-1] == [epochs // count] * (count - 1)
    else:
        assert numbers == [1] * epochs
        assert epochs == 1 or found[0] == sizes[0]


def test_efficiency_keeps_the_batch_and_performance_its_voxels(tmp_path):
    task = replace(make_task(tmp_path, Setting(axes=3)), check_patch=HIPPOCAMPUS.check_patch)
    task = BatchSettings((16, 24, 16), 3).applied(task)
    options = {"epochs": 10, "oversampling": 0.25}
    assert growing_settings(task, 0, growth="efficiency", **options) == BatchSettings((8, 8, 16), 3)
    shared = SharedCases(cases=3, oversampling=0.25)
    assert growing_settings(task, 0, growth="performance", **options) == BatchSettings((8, 8, 16), 18, shared)
    assert growing_settings(task, 4, growth="performance", **options) == BatchSettings((16, 16, 16), 4, shared)
    for growth in ("efficiency", "performance"):
        assert growing_settings(task, 9, growth=growth, **options) == BatchSettings((16, 24, 16), 3)


def test_a_sampler_of_the_plans_stays(tmp_path):
    task = replace(make_task(tmp_path, Setting(axes=2)), sampler=SharedCases(cases=1, oversampling=1.0))
    found = growing_settings(task, 0, epochs=7, growth="performance", oversampling=0.5)
    assert found == BatchSettings((2, 2), 32)
