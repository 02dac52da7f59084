"""A convolution of joined images: PyTorch's, and the images are no longer held."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nnplug.ops.layers.joined_conv import JoinedConv2d, JoinedConv3d


@pytest.mark.parametrize(("joined", "plain"), [(JoinedConv2d, nn.Conv2d), (JoinedConv3d, nn.Conv3d)])
def test_it_is_the_convolution_of_the_images_side_by_side(joined, plain):
    layer, reference = joined(5, 4, 3, padding=1), plain(5, 4, 3, padding=1)
    assert list(layer.state_dict()) == list(reference.state_dict())
    reference.load_state_dict(layer.state_dict())
    size = (6,) * (2 if plain is nn.Conv2d else 3)
    images = [torch.randn(2, channels, *size) for channels in (2, 3)]
    given = list(images)
    assert torch.equal(layer(given), reference(torch.cat(images, 1)))
    assert given == []
