"""Label maps as channels."""

import torch

from nnplug.ops.one_hot import expand_last_channel, one_hot

LABELS = torch.tensor([[-1, 0, 1], [2, 1, 3]])


def test_a_channel_per_value_and_none_for_the_others():
    channels = one_hot(LABELS, (1, 2))
    assert channels.dtype == torch.float32
    assert channels.tolist() == [[[0, 0, 1], [0, 1, 0]], [[0, 0, 0], [1, 0, 0]]]


def test_the_last_channel_of_a_batch_is_expanded():
    batch = torch.stack([torch.full((2, 3), 7.0), LABELS.float()])[None]
    expanded = expand_last_channel(batch, (1, 2, 3))
    assert expanded.shape == (1, 4, 2, 3)
    assert torch.equal(expanded[:, 0], batch[:, 0])
    assert torch.equal(expanded[0, 1:], one_hot(LABELS, (1, 2, 3)))
