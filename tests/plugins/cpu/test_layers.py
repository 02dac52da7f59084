"""Accelerated layers against PyTorch's, both against float64 where rounding counts."""

import copy
import io

import pytest
import torch
from torch import Tensor, nn

from nnplug.contracts import Workload
from nnplug.ops.layers.joined_conv import JoinedConv2d, JoinedConv3d
from nnplug_cpu import layers as cpu
from nnplug_cpu import norm, unpooling, winograd
from nnplug_cpu.accelerator import CpuAccelerator
from nnplug_cpu.replacement import for_prediction, for_training
from nnplug_cpu.tiling import LARGEST_TILE, PRECISE_TILE, Tiling
from nnplug_nnunet.networks.blocks import Layers
from nnplug_nnunet.networks.unet import Decoder, PlainEncoder, ResidualEncoder, UNet

BATCH, CHANNELS, OUTPUTS = 2, 6, 5
CPU = torch.device("cpu")


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
    fast = for_training(copy.deepcopy(layer))
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
    check(layer, torch.randn(BATCH, CHANNELS, 3, 4, 5), unpooling.Unpooling3d)
    flat = nn.ConvTranspose2d(CHANNELS, OUTPUTS, stride[1:], stride[1:], bias=bias)
    check(flat, torch.randn(BATCH, CHANNELS, 4, 5), unpooling.Unpooling2d)


def test_norm():
    x = 3 + 2 * torch.randn(BATCH, CHANNELS, 5, 6, 7)
    check(nn.InstanceNorm3d(CHANNELS, affine=True), x, norm.PerSampleNorm3d, within=1e-5)
    check(nn.InstanceNorm2d(CHANNELS, affine=True), x[:, :, 0], norm.PerSampleNorm2d, within=1e-5)


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
    assert for_training(layer) is None


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
    exact, fast = copy.deepcopy(network).double(), for_training(copy.deepcopy(network))
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
@pytest.mark.parametrize("accelerate", [for_training, for_prediction])
def test_prediction(dimensions, residual, accelerate):
    network, x = unet(dimensions, residual=residual)
    fast = accelerate(copy.deepcopy(network)).eval()
    with torch.inference_mode():
        assert difference(fast(x), network.double().eval()(x.double())) < 1e-5


def test_for_prediction_norms_write_in_place_and_decoders_join_nothing():
    network = for_prediction(unet(3)[0])
    kinds = {type(module) for module in network.modules()}
    assert {cpu.WinogradJoinedConv3d, unpooling.UnpoolingByRows3d, norm.InPlaceNorm3d} < kinds
    assert not {unpooling.Unpooling3d, norm.PerSampleNorm3d, norm.PreciseNorm3d, nn.InstanceNorm3d} & kinds
    # The kernel of the finest stage has size 1 along the first axis.
    joins = [type(stage.convs[0].conv) for stage in network.decoder.stages]
    assert joins == [cpu.WinogradJoinedConv3d, JoinedConv3d]


def test_tiles_are_the_precise_ones_for_prediction_alone():
    for accelerate, tile in ((for_training, LARGEST_TILE), (for_prediction, PRECISE_TILE)):
        found = [m.largest_tile for m in accelerate(unet(3)[0]).modules() if hasattr(m, "largest_tile")]
        assert set(found) == {tile}


@pytest.mark.parametrize("kind", [JoinedConv2d, JoinedConv3d])
def test_a_convolution_of_joined_images_reads_them_where_they_are(kind, monkeypatch):
    solid = kind is JoinedConv3d
    layer = kind(CHANNELS, OUTPUTS, 3, padding=1)
    images = [torch.randn(BATCH, channels, 13, 6, *(5,) * solid) for channels in (2, 4)]
    plain = layer(list(images)).detach()
    fast = for_training(layer)
    with_gradients = fast(list(images))
    assert with_gradients.requires_grad
    monkeypatch.setattr(torch, "cat", None)  # whole images are not joined; parts of them are, in `winograd`
    monkeypatch.setattr(winograd, "_join", lambda parts: torch.concat(list(parts), 1))
    given = list(images)
    with torch.no_grad():
        without = fast(given)
    assert given == []
    assert torch.equal(without, with_gradients)
    assert difference(without, plain) < WINOGRAD


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
    monkeypatch.setattr("nnplug_cpu.unpooling._NEAR", near)
    layer, x = nn.ConvTranspose3d(CHANNELS, OUTPUTS, stride, stride), torch.randn(BATCH, CHANNELS, 5, 4, 3)
    with torch.no_grad():
        expected = layer.double()(x.double())
        fast = for_prediction(layer.float())
        assert type(fast) is unpooling.UnpoolingByRows3d
        assert difference(fast(x), expected) < 2e-6


def test_state_dict_is_that_of_the_network():
    network, x = unet(3)
    fast = for_training(copy.deepcopy(network))
    file = io.BytesIO()
    torch.save(fast.state_dict(), file)
    file.seek(0)
    state = torch.load(file)
    assert list(state) == list(network.state_dict())
    for name, value in network.state_dict().items():
        assert torch.equal(state[name], value)
    network.load_state_dict(state)
    other = for_training(unet(3)[0])
    other.load_state_dict(network.state_dict())
    assert torch.equal(other(x)[0], fast(x)[0])


def test_optimizer_made_before_keeps_training_the_same_parameters():
    network, x = unet(2)
    optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
    for_training(network)
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
    once = for_training(network)(x)[0]
    assert torch.equal((for_training(network) or network)(x)[0], once)


def test_a_layer_in_two_places_stays_one_and_keeps_hooks_and_parameters():
    calls = []
    conv = nn.Conv3d(4, 4, 3, padding=1)
    handle = conv.register_forward_hook(lambda *_: calls.append(1))
    network = nn.Sequential(conv, nn.ReLU(), conv)
    parameters = list(network.parameters())
    fast = for_training(network)
    assert fast is network
    assert fast[0] is fast[2]
    assert type(fast[0]) is cpu.WinogradConv3d
    assert type(conv) is nn.Conv3d
    assert all(a is b for a, b in zip(fast.parameters(), parameters, strict=True))
    fast(torch.randn(1, 4, 8, 6, 6))
    assert calls == [1, 1]
    handle.remove()
    fast(torch.randn(1, 4, 8, 6, 6))
    assert calls == [1, 1]


@pytest.mark.parametrize(
    "workload", [Workload(CPU, "training", torch.bfloat16), Workload(torch.device("cuda"), "training")]
)
def test_half_precision_and_other_devices_have_nothing_to_gain(workload):
    assert CpuAccelerator().accelerate(unet(3)[0], workload) is None


@pytest.mark.parametrize(("purpose", "kind"), [("training", norm.PerSampleNorm3d), ("prediction", norm.InPlaceNorm3d)])
def test_the_purpose_chooses_the_layers(purpose, kind):
    network = unet(3)[0]
    assert CpuAccelerator().accelerate(network, Workload(CPU, purpose)) is network
    assert kind in {type(module) for module in network.modules()}
