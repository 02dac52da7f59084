"""Logits that come slab by slab are those that come at once."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nnplug.ops.slabs import predict_slabs
from nnplug.ops.sliding_window import SlidingWindow, predict_windows

CPU = torch.device("cpu")


def shifted(batch):
    """A network that looks at neighbours: borders of windows and mirroring change what it says."""
    return torch.cat([batch.roll(1, dims=-3) + 2 * batch.roll(1, dims=-2), batch.roll(1, dims=-1)], 1)


def joined(networks, image, sliding, **arguments):
    return torch.cat([slab.clone() for slab in predict_slabs(networks, image, sliding, device=CPU, **arguments)], 1)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    patch=st.tuples(*[st.integers(1, 9)] * 3),
    step=st.sampled_from([0.3, 0.5, 1.0]),
    batch_size=st.integers(1, 5),
    mirrored=st.booleans(),
)
def test_slabs_are_what_the_whole_image_gives(shape, patch, step, batch_size, mirrored):
    image = torch.randn(1, *shape)
    sliding = SlidingWindow(patch, (0, 2) if mirrored else (), step, batch_size)
    whole = predict_windows(shifted, image, sliding, device=CPU)
    slabs = joined([shifted], image, sliding)
    assert slabs.shape == whole.shape
    torch.testing.assert_close(slabs, whole, rtol=1e-5, atol=1e-5)


def test_networks_are_averaged():
    image, sliding = torch.randn(1, 11, 6, 7), SlidingWindow((4, 4, 4))
    networks = [shifted, lambda batch: 3 * shifted(batch)]
    torch.testing.assert_close(joined(networks, image, sliding), 2 * joined([shifted], image, sliding))


def test_every_batch_of_every_network_is_reported():
    reports = []
    joined(
        [shifted] * 2,
        torch.zeros(1, 8, 4, 12),
        SlidingWindow((4, 4, 4), batch_size=2),
        report=lambda: reports.append(1),
    )
    assert len(reports) == 2 * 3 * 3  # networks, rows where windows begin, batches of its five windows


@pytest.mark.parametrize("depth", [16, 64])
def test_memory_holds_a_patch_of_rows_however_deep_the_image_is(depth):
    pointers = {
        slab.untyped_storage().data_ptr()
        for slab in predict_slabs([shifted], torch.randn(1, depth, 4, 4), SlidingWindow((8, 4, 4)), device=CPU)
    }
    sizes = {
        slab.untyped_storage().nbytes()
        for slab in predict_slabs([shifted], torch.randn(1, depth, 4, 4), SlidingWindow((8, 4, 4)), device=CPU)
    }
    assert len(pointers) == 1
    assert sizes == {2 * 8 * 4 * 4 * 4}


def test_sums_of_many_channels_have_the_order_of_memory_of_the_networks_logits():
    def first(batch):
        return shifted(batch).repeat(1, 8, 1, 1, 1)

    def last(batch):
        return first(batch).movedim(1, -1).contiguous().movedim(-1, 1)

    image, sliding = torch.randn(1, 11, 6, 7), SlidingWindow((4, 4, 4))
    strides = [
        {slab.stride(0) for slab in predict_slabs([network], image, sliding, device=CPU)} for network in (first, last)
    ]
    assert strides == [{4 * 6 * 7}, {1}]
    assert torch.equal(joined([last], image, sliding), joined([first], image, sliding))


def test_nothing_is_kept_for_gradients():
    weight = torch.ones((), requires_grad=True)
    (slab,) = predict_slabs(
        [lambda batch: batch * weight], torch.ones(1, 2, 2, 2), SlidingWindow((2, 2, 2)), device=CPU
    )
    assert not slab.requires_grad
    assert torch.is_grad_enabled()
