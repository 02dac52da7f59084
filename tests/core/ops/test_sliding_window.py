"""Windows, their weights and mirror images, held against nnunetv2's figures and against the plain definition."""

from __future__ import annotations

import json
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnplug.errors import NnplugError
from nnplug.ops.sliding_window import (
    SlidingWindow,
    gaussian,
    mirrored_mean,
    pad_to_patch,
    predict_windows,
    window_positions,
)

GOLDEN = json.loads((Path(__file__).parent / "golden" / "sliding_window.json").read_text())
CPU = torch.device("cpu")


def test_positions_equal_nnunet():
    for case in GOLDEN["positions"]:
        starts = window_positions(case["shape"], case["patch"], case["step"])
        assert [list(axis) for axis in starts] == case["starts"], case


@pytest.mark.parametrize("case", GOLDEN["gaussians"], ids=lambda c: f"{c['patch']}-{c['sigma']:.3f}")
def test_gaussian_equals_nnunet_up_to_its_constant(case):
    ours = gaussian(case["patch"], case["sigma"])
    theirs = torch.tensor(case["weight"]).reshape(case["patch"])
    torch.testing.assert_close(ours / ours.max(), theirs / theirs.max(), rtol=1e-4, atol=0)


def test_gaussian_has_no_zeros():
    weight = gaussian((64,), 1 / 64)
    assert weight.min() > 0
    assert (weight == weight.min()).sum() > 50


@given(size=st.integers(1, 300), patch=st.integers(1, 100), step=st.sampled_from([0.25, 0.5, 1.0]))
def test_windows_cover_the_image_and_stay_inside(size, patch, step):
    size = max(size, patch)
    (starts,) = window_positions([size], [patch], step)
    assert starts[0] == 0
    assert starts[-1] == size - patch
    assert all(0 <= b - a <= np.ceil(step * patch) for a, b in pairwise(starts))


@pytest.mark.parametrize("step", [0, -0.5, 1.01])
def test_a_step_out_of_range_is_refused(step):
    with pytest.raises(NnplugError, match=r"the step between windows is .*; it must be above 0 and at most 1"):
        window_positions([8], [4], step)


def test_an_image_smaller_than_the_patch_is_refused():
    with pytest.raises(NnplugError, match="an image of 3 voxels is smaller than the patch of 4; pad it first"):
        window_positions([3], [4])


def test_padding_is_centred_with_the_odd_voxel_behind():
    padded, inside = pad_to_patch(torch.ones(1, 2, 3, 9), (3, 6, 4))
    assert padded.shape == (1, 3, 6, 9)
    assert inside == (slice(0, 2), slice(1, 4), slice(0, 9))
    assert padded[0, 0, 0].sum() == 0
    assert padded[:, *inside].sum() == padded.sum() == 2 * 3 * 9


def pointwise(batch):
    """A network that sees one voxel: no window changes what it says of it."""
    return torch.cat([batch.sum(1, keepdim=True), batch[:, :1] * 2 - 1, batch[:, -1:]], 1)


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    patch=st.lists(st.integers(1, 9), min_size=2, max_size=3),
    batch_size=st.integers(1, 5),
    mirrored=st.booleans(),
)
def test_windows_do_not_show_in_the_result(shape, patch, batch_size, mirrored):
    image = torch.randn(2, *shape)
    axes = tuple(range(len(patch))) if mirrored else ()
    logits = predict_windows(pointwise, image, SlidingWindow(patch, axes, batch_size=batch_size), device=CPU)
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, pointwise(image[None])[0], rtol=1e-5, atol=1e-5)


def shifted(batch):
    """A network that looks at a neighbour: borders of windows and mirroring change what it says."""
    return batch.roll(1, dims=-1) + 2 * batch.roll(1, dims=-2)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_windows_are_averaged_with_gaussian_weights(batch_size):
    image, patch = torch.randn(1, 9, 11, 6), (4, 6, 6)
    total, weights = torch.zeros(9, 11, 6), torch.zeros(9, 11, 6)
    for start in product(*window_positions((9, 11, 6), patch)):
        window = tuple(slice(s, s + p) for s, p in zip(start, patch, strict=True))
        total[window] += gaussian(patch) * shifted(image[:, *window][None])[0, 0]
        weights[window] += gaussian(patch)
    logits = predict_windows(shifted, image, SlidingWindow(patch, batch_size=batch_size), device=CPU)
    torch.testing.assert_close(logits[0], total / weights)


@pytest.mark.parametrize("at_once", [1, 3, 4, 100])
def test_mirroring_averages_every_subset_of_the_axes(at_once):
    batch = torch.randn(2, 1, 4, 5, 6)
    passes = [(), (2,), (4,), (2, 4)]
    expected = torch.stack([shifted(batch.flip(axes)).flip(axes) for axes in passes]).mean(0)
    torch.testing.assert_close(mirrored_mean(shifted, batch, (0, 2), at_once), expected)


def test_two_axes_go_slice_by_slice():
    image = torch.randn(1, 5, 7, 8)
    logits = predict_windows(shifted, image, SlidingWindow((7, 8), (1,), batch_size=2), device=CPU)
    expected = torch.stack([mirrored_mean(shifted, image[:, z][None], (1,))[0] for z in range(5)], 1)
    torch.testing.assert_close(logits, expected)


def test_passes_have_the_batch_size_and_progress_is_reported():
    sizes, reports = [], []

    def network(batch):
        sizes.append(len(batch))
        return batch

    sliding = SlidingWindow((4, 4, 4), (0, 1), batch_size=4)
    predict_windows(
        network,
        torch.zeros(1, 4, 4, 12),
        sliding,
        device=CPU,
        report=lambda: reports.append(1),
    )
    assert sizes == [4, 4, 4, 4, 4]  # four windows, four passes; the fifth window with its four mirror images at once
    assert len(reports) == sliding.passes((4, 4, 12)) == 2


def test_half_precision_networks_are_summed_in_float32():
    logits = predict_windows(
        lambda batch: batch.bfloat16(), torch.ones(1, 4, 4, 4), SlidingWindow((2, 2, 2)), device=CPU
    )
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, torch.ones(1, 4, 4, 4))


def test_no_gradients_are_kept():
    weight = torch.ones((), requires_grad=True)
    assert not predict_windows(
        lambda b: b * weight, torch.ones(1, 2, 2, 2), SlidingWindow((2, 2)), device=CPU
    ).requires_grad
