"""The whole image in one pass: what is padded, what is averaged, and what a network refuses."""

from __future__ import annotations

import pytest
import torch

from nnplug.contracts import InferenceContext
from nnplug.errors import ComponentFailed, NnplugError
from nnplug.inference.components.whole_image import WholeImageInference
from nnplug.ops.sliding_window import mirrored_mean

CPU = torch.device("cpu")


def multiples(*divisor, least=1):
    """A check of sizes, as of a U-Net whose strides multiply to the divisor."""

    def check(size):
        if any(n % d for n, d in zip(size, divisor, strict=True)) or sum(size) < least:
            raise NnplugError(f"patch size {'x'.join(map(str, size))} does not fit the network")

    return check


def context(patch=(8, 8, 8), mirror_axes=(), batch_size=2, check_size=None):
    return InferenceContext(
        patch_size=patch,
        batch_size=batch_size,
        mirror_axes=mirror_axes,
        outputs=2,
        device=CPU,
        sums_on_device=True,
        check_size=check_size or multiples(*(4,) * len(patch)),
    )


class Network:
    """A network that sees a neighbour and remembers the sizes of its inputs."""

    def __init__(self):
        self.sizes = []

    def __call__(self, batch):
        self.sizes.append(tuple(batch.shape))
        return torch.cat([batch.roll(1, dims=-1), 2 * batch], 1)


def predicted(network, image, chosen):
    reports = []
    logits = WholeImageInference().logits(network, image, chosen, lambda: reports.append(1))
    assert len(reports) == WholeImageInference().passes(image.shape[1:], chosen)
    assert logits.shape == (2, *image.shape[1:])
    return logits


def test_an_image_is_padded_to_the_smallest_size_that_the_network_takes():
    network, image = Network(), torch.randn(1, 10, 17, 3)
    logits = predicted(network, image, context(check_size=multiples(2, 4, 4)))
    assert network.sizes == [(1, 1, 10, 20, 4)]
    assert torch.equal(logits[1], 2 * image[0])
    padded = torch.nn.functional.pad(image, (0, 1, 1, 2))
    assert torch.equal(logits[0], padded.roll(1, dims=-1)[0, :, 1:18, :3])


def test_a_network_that_takes_no_small_size_gets_whole_patches():
    network = Network()
    predicted(network, torch.randn(1, 4, 4, 4), context(check_size=multiples(4, 4, 4, least=16)))
    assert network.sizes == [(1, 1, 8, 8, 8)]


def test_mirror_images_are_averaged_as_with_windows():
    image, network = torch.randn(1, 8, 8, 8), Network()
    logits = predicted(network, image, context(mirror_axes=(0, 2)))
    assert len(network.sizes) == 4
    assert torch.equal(logits, mirrored_mean(Network(), image[None], (0, 2))[0])


def test_in_2d_slices_share_a_pass():
    network, image = Network(), torch.randn(1, 7, 8, 12)
    logits = predicted(network, image, context(patch=(8, 8), batch_size=6))
    assert [size[0] for size in network.sizes] == [4, 3]  # 6 patches have the voxels of 4 slices
    assert torch.equal(logits[0], image[0].roll(1, dims=-1))


def refusing(batch):
    raise ComponentFailed("architecture 'a' from nnplug-a 1.0 failed: RuntimeError: size (net.py, line 3)")


@pytest.mark.parametrize(
    ("network", "check_size", "message"),
    [
        (
            refusing,
            None,
            r"8 x 8 x 12 voxels in one pass: architecture 'a' from nnplug-a 1.0 failed: Runtime",
        ),
        (lambda batch: batch[:, :1], None, r"the network gave logits of shape \(1, 1, 8, 8, 12\), expected \(1, 2, 8"),
        (Network(), multiples(5, 5, 5), "8 x 8 x 12 voxels in one pass: patch size 8x8x16 does not fit the network"),
    ],
)
def test_what_the_network_refuses_is_told_with_the_size_and_a_way_out(network, check_size, message):
    with pytest.raises(NnplugError, match=message) as error:
        predicted(network, torch.randn(1, 8, 8, 12), context(check_size=check_size))
    assert str(error.value).endswith("predict with inference='sliding-window'")


def test_too_little_memory_is_told_with_a_way_out():
    def full(batch):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(NnplugError, match="8 x 8 x 8 voxels in one pass: the device has too little memory; pre"):
        predicted(full, torch.randn(1, 8, 8, 8), context())
