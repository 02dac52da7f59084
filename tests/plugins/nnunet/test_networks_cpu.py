"""Accelerated layers against PyTorch's, both against float64 where rounding counts."""

import copy
import io

import pytest
import torch
from torch import Tensor, nn

from nnplug_nnunet.networks import cpu, winograd
from nnplug_nnunet.networks.blocks import Layers
from nnplug_nnunet.networks.cpu import accelerate
from nnplug_nnunet.networks.tiling import Tiling
from nnplug_nnunet.networks.unet import Decoder, PlainEncoder, ResidualEncoder, UNet

BATCH, CHANNELS, OUTPUTS = 2, 6, 5


def difference(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).norm() / b.double().norm())


def gradients(layer: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Output and gradients of a loss that weights every output differently."""
    x = x.clone().requires_grad_()
    y = layer(x)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).to(y.dtype)
    (y * weights).sum().backward()
    return {"y": y.detach(), "x": x.grad, **{name: p.grad for name, p in layer.named_parameters()}}


def check(layer: nn.Module, x: Tensor, kind: type[nn.Module], *, within: float = 2e-6) -> None:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    exact = gradients(copy.deepcopy(layer).double(), x.double())
    fast = accelerate(copy.deepcopy(layer))
    assert type(fast) is kind
    for name, value in gradients(fast, x).items():
        assert value.shape == exact[name].shape
        assert difference(value, exact[name]) < within, name


WINOGRAD = 1e-5  # its largest relative error in float32, in a norm over all values


@pytest.mark.parametrize("extent", [5, 7, 8, 9, 10, 11, 13])
@pytest.mark.parametrize(
    ("kernel", "padding"), [((3, 3, 3), (1, 1, 1)), ((3, 1, 3), (1, 0, 1)), ((3, 5, 3), (1, 2, 1))]
)
def test_winograd_3d(extent, kernel, padding):
    layer = nn.Conv3d(CHANNELS, OUTPUTS, kernel, padding=padding)
    check(layer, torch.randn(BATCH, CHANNELS, extent, 6, 5), cpu.WinogradConv3d, within=WINOGRAD)


@pytest.mark.parametrize("extent", [3, 7, 16, 18])
@pytest.mark.parametrize("bias", [True, False])
def test_winograd_2d_and_images_too_small_for_it(extent, bias):
    layer = nn.Conv2d(CHANNELS, OUTPUTS, 3, padding=1, bias=bias)
    check(layer, torch.randn(BATCH, CHANNELS, extent, 9), cpu.WinogradConv2d, within=WINOGRAD)


def test_winograd_rounds_little_with_many_channels():
    layer = nn.Conv3d(128, 64, 3, padding=1)
    check(layer, torch.randn(1, 128, 8, 6, 5), cpu.WinogradConv3d, within=WINOGRAD)


@pytest.mark.parametrize("bias", [True, False])
def test_pointwise(bias):
    check(nn.Conv3d(CHANNELS, OUTPUTS, 1, bias=bias), torch.randn(BATCH, CHANNELS, 4, 6, 5), cpu.PointwiseConv3d)
    check(nn.Conv2d(CHANNELS, OUTPUTS, 1, bias=bias), torch.randn(BATCH, CHANNELS, 6, 5), cpu.PointwiseConv2d)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("stride", [(2, 2, 2), (1, 2, 3)])
def test_unpooling(stride, bias):
    layer = nn.ConvTranspose3d(CHANNELS, OUTPUTS, stride, stride, bias=bias)
    check(layer, torch.randn(BATCH, CHANNELS, 3, 4, 5), cpu.Unpooling3d)
    flat = nn.ConvTranspose2d(CHANNELS, OUTPUTS, stride[1:], stride[1:], bias=bias)
    check(flat, torch.randn(BATCH, CHANNELS, 4, 5), cpu.Unpooling2d)


def test_norm():
    x = 3 + 2 * torch.randn(BATCH, CHANNELS, 5, 6, 7)
    check(nn.InstanceNorm3d(CHANNELS, affine=True), x, cpu.PerSampleNorm3d, within=1e-5)
    check(nn.InstanceNorm2d(CHANNELS, affine=True), x[:, :, 0], cpu.PerSampleNorm2d, within=1e-5)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv3d(4, 4, 3, padding=1, stride=2),
        nn.Conv3d(4, 4, 3, padding=1, dilation=2),
        nn.Conv3d(4, 4, 3, padding=1, groups=2),
        nn.Conv3d(4, 4, 3, padding=1, padding_mode="circular"),
        nn.Conv3d(4, 4, 3, padding="same"),
        nn.Conv3d(4, 4, 3),
        nn.Conv3d(4, 4, 3, padding=(1, 1, 0)),
        nn.Conv3d(4, 4, 1, padding=1),
        nn.Conv3d(4, 4, (1, 3, 3), padding=(0, 1, 1)),
        nn.Conv3d(1, 4, 3, padding=1),
        nn.Conv2d(4, 4, 1, stride=2),
        nn.ConvTranspose3d(4, 4, 3, stride=2),
        nn.ConvTranspose2d(4, 4, 2, stride=2, output_padding=1),
        nn.InstanceNorm3d(4),
        nn.InstanceNorm3d(4, affine=True, track_running_stats=True),
    ],
)
def test_leaves_what_it_cannot_replace(layer):
    assert type(accelerate(copy.deepcopy(layer))) is type(layer)


def unet(dimensions: int, *, residual: bool = False) -> tuple[UNet, Tensor]:
    """A small network with an anisotropic first stage, and patches for it."""
    torch.manual_seed(0)
    layers, features = Layers(dimensions), (4, 6, 8)
    kernels = [(1, 3, 3)[3 - dimensions :], *[(3,) * dimensions] * 2]
    strides = [(1,) * dimensions, (1, 2, 2)[3 - dimensions :], (2,) * dimensions]
    encoder = ResidualEncoder if residual else PlainEncoder
    network = UNet(
        encoder(layers, 2, features, kernels, strides, (2, 2, 2)),
        Decoder(layers, 3, features, kernels, strides, (2, 2)),
    )
    return network, torch.randn(2, 2, *(8, 16, 12)[3 - dimensions :])


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_whole_network_gives_the_same_outputs_and_gradients(dimensions, residual):
    network, x = unet(dimensions, residual=residual)
    exact, fast = copy.deepcopy(network).double(), accelerate(copy.deepcopy(network))
    for net, patches in ((exact, x.double()), (fast, x)):
        outputs = net(patches)
        sum((y**2).mean() for y in outputs).backward()
    for a, b in zip(fast(x), exact(x.double()), strict=True):
        assert difference(a.detach(), b.detach()) < 1e-5
    total = torch.cat([p.grad.flatten() for p in exact.parameters()]).norm()
    for (name, a), b in zip(fast.named_parameters(), exact.parameters(), strict=True):
        # A bias before a norm has no gradient but rounding: measure against all gradients.
        assert float((a.grad - b.grad).norm() / max(b.grad.norm(), 1e-2 * total)) < 1e-4, name


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("precise", [False, True])
def test_prediction(dimensions, residual, precise):
    network, x = unet(dimensions, residual=residual)
    fast = accelerate(copy.deepcopy(network), precise=precise).eval()
    with torch.inference_mode():
        assert difference(fast(x), network.double().eval()(x.double())) < 1e-5


def test_for_prediction_decoders_join_nothing_and_norms_write_in_place():
    kinds = {type(module) for module in accelerate(unet(3)[0], precise=True).modules()}
    assert {cpu.FusedSkipDecoder, cpu.UnpoolingByRows3d, cpu.InPlaceNorm3d} < kinds
    assert not {Decoder, cpu.Unpooling3d, cpu.PerSampleNorm3d} & kinds


@pytest.mark.parametrize("flat", [False, True])
def test_convolving_images_side_by_side_is_convolving_them_joined(flat):
    images = [torch.randn(BATCH, channels, 13, 6, 5) for channels in (2, 4)]
    weight, bias, padding = torch.randn(OUTPUTS, 6, 3, 3, 3), torch.randn(OUTPUTS), (1, 1, 1)
    if flat:
        images, weight, padding = [image[..., 0] for image in images], weight[..., 0], (1, 1)
    tiling = Tiling.best(13)
    joined = winograd.convolve(torch.cat(images, 1), weight, bias, padding, tiling)
    assert torch.equal(winograd.convolve_joined(images, weight, bias, padding, tiling), joined)


@pytest.mark.parametrize("near", [1, 1000, 1 << 20])
@pytest.mark.parametrize("stride", [(2, 2, 2), (1, 2, 3)])
def test_unpooling_by_rows(near, stride, monkeypatch):
    monkeypatch.setattr("nnplug_nnunet.networks.unpooling._NEAR", near)
    layer, x = nn.ConvTranspose3d(CHANNELS, OUTPUTS, stride, stride), torch.randn(BATCH, CHANNELS, 5, 4, 3)
    with torch.no_grad():
        expected = layer.double()(x.double())
        fast = accelerate(layer.float(), precise=True)
        assert type(fast) is cpu.UnpoolingByRows3d
        assert difference(fast(x), expected) < 2e-6


def test_state_dict_is_that_of_the_network():
    network, x = unet(3)
    fast = accelerate(copy.deepcopy(network))
    file = io.BytesIO()
    torch.save(fast.state_dict(), file)
    file.seek(0)
    state = torch.load(file)
    assert list(state) == list(network.state_dict())
    for name, value in network.state_dict().items():
        assert torch.equal(state[name], value)
    network.load_state_dict(state)
    other = accelerate(unet(3)[0])
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(x)[0], fast(x)[0])


def test_optimizer_made_before_keeps_training_the_same_parameters():
    network, x = unet(2)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    accelerate(network)
    losses = []
    for _ in range(3):
        loss = sum((y**2).mean() for y in network(x))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[2] < losses[0]


def test_accelerating_twice_changes_nothing():
    network, x = unet(3)
    once = accelerate(network)(x)[0]
    assert torch.equal(accelerate(network)(x)[0], once)
