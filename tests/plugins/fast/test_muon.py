"""Muon: the iteration, the step, and which weights it is for."""

from __future__ import annotations

import copy
import io
import math

import pytest
import torch

from nnplug import Plugins
from nnplug.registry.components import Kind
from nnplug_fast.muon import Muon, orthogonal_factors, split_kernels

SHAPES = [(8, 40), (40, 8), (6, 6), (5, 1)]


def plain(matrix):
    """The iteration as its authors write it, in double precision."""
    x = matrix.double()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-30)
    for _ in range(5):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if tall else x


def orthogonalised(matrices):
    """Matrices (number, rows, columns) times their factors, as the step multiplies them."""
    (factors,) = orthogonal_factors([matrices])
    rows, columns = matrices.shape[1:]
    return factors @ matrices if rows <= columns else matrices @ factors


def matrices(shape, count=3):
    return torch.randn((count, *shape), generator=torch.Generator().manual_seed(1)) * 1e-4


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_each_matrix_is_that_of_the_plain_iteration(shape):
    for found, given in zip(orthogonalised(matrices(shape)), matrices(shape), strict=True):
        torch.testing.assert_close(found.double(), plain(given), atol=2e-3, rtol=0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_groups_of_matrices_have_the_factors_of_all(shape):
    given = matrices(shape)
    one, two = orthogonal_factors([given[:1], given[1:]])
    (every,) = orthogonal_factors([given])
    assert torch.equal(torch.cat([one, two]), every)
    assert every.shape == (3, min(shape), min(shape))


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_singular_values_are_about_1_and_the_vectors_stay(shape):
    (given,) = matrices(shape, 1)
    left, _, right = torch.linalg.svd(given, full_matrices=False)
    (found,) = orthogonalised(given[None])
    values = left.T @ found @ right.T
    assert ((values.diagonal() > 0.65) & (values.diagonal() < 1.25)).all()
    assert (values - values.diagonal().diag()).abs().max() < 1e-3


def test_directions_without_gradient_stay_without():
    (vector,) = matrices((8, 1), 1)
    low = vector @ vector.T.repeat(1, 5)
    zero, found = orthogonalised(torch.stack([torch.zeros(8, 40), low]))
    assert not zero.any()
    torch.testing.assert_close(found.double(), plain(low), atol=2e-3, rtol=0)
    assert torch.linalg.svdvals(found)[1] < 1e-3


def kernel_and_rest():
    generator = torch.Generator().manual_seed(2)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((4, 3, 3, 3), (4, 27), (4,))]


def steps(parameters, optimizer, count, first=0):
    for number in range(first, first + count):
        generator = torch.Generator().manual_seed(number)
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()


def test_a_step_is_the_orthogonalised_nesterov_momentum_scaled_and_the_decay():
    kernel, matrix, _ = kernel_and_rest()
    expected = [kernel.detach().clone().double(), matrix.detach().clone().double()]
    optimizer = Muon([kernel, matrix], [], lr=0.1, weight_decay=0.2, momentum=0.9)
    average = [torch.zeros(4, 27, dtype=torch.float64) for _ in expected]
    for number in range(3):
        steps([kernel, matrix], optimizer, 1, number)
        for i, parameter in enumerate((kernel, matrix)):
            gradient = parameter.grad.double().flatten(1)
            average[i] = 0.9 * average[i] + 0.1 * gradient
            direction = plain(0.1 * gradient + 0.9 * average[i]).view(parameter.shape)
            expected[i] = expected[i] * (1 - 0.1 * 0.2) - 0.1 * 0.2 * math.sqrt(27) * direction
    for parameter, value in zip((kernel, matrix), expected, strict=True):
        torch.testing.assert_close(parameter.double(), value, atol=1e-3, rtol=0)


@pytest.mark.parametrize(("rows", "sizes"), [(4, [4]), (3, [2, 2]), (2, [2, 2]), (1, [1] * 4), (9, [4])])
def test_the_outputs_of_a_kernel_are_orthogonalised_in_equal_parts(rows, sizes):
    kernel, _, _ = kernel_and_rest()
    before = kernel.detach().clone()
    steps([kernel], Muon([kernel], [], lr=0.1, weight_decay=0.0, momentum=0.0, rows=rows), 1)
    parts = [plain(part) for part in kernel.grad.flatten(1).split(sizes)]
    update = (before - kernel).detach().flatten(1).double()
    torch.testing.assert_close(update, 0.1 * 0.2 * math.sqrt(27) * torch.cat(parts), atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", [(8, 2, 1, 1), (6, 4, 3, 3), (6, 4, 3, 3, 3), (5, 7)], ids=str)
@pytest.mark.parametrize("rows", [100, 3])
def test_an_update_has_the_root_mean_square_of_the_rate(shape, rows):
    kernel = torch.nn.Parameter(torch.zeros(shape))
    steps([kernel], Muon([kernel], [], lr=0.1, weight_decay=0.0, rows=rows), 1)
    assert kernel.detach().square().mean().sqrt() == pytest.approx(0.1 * 0.2, rel=0.35)


def test_a_kernel_in_another_memory_order_is_trained_alike():
    kernel, _, _ = kernel_and_rest()
    other = torch.nn.Parameter(kernel.detach().clone().to(memory_format=torch.channels_last))
    for one in (kernel, other):
        steps([one], Muon([one], [], lr=0.1, weight_decay=0.0), 2)
    torch.testing.assert_close(other, kernel, atol=1e-4, rtol=0)


def test_the_other_weights_are_trained_by_adamw_to_the_bit():
    own, theirs = kernel_and_rest(), kernel_and_rest()
    steps(own, Muon([], own, lr=0.01, weight_decay=0.1, betas=(0.8, 0.95)), 5)
    adamw = torch.optim.AdamW(theirs, lr=0.01, weight_decay=0.1, betas=(0.8, 0.95), fused=True)
    steps(theirs, adamw, 5)
    assert all(torch.equal(a, b) for a, b in zip(own, theirs, strict=True))


def test_weights_without_gradient_stay_and_a_closure_is_called():
    kernel, _, bias = kernel_and_rest()
    before = copy.deepcopy([kernel, bias])
    assert Muon([kernel], [bias], lr=0.1, weight_decay=0.1).step(lambda: 7.0) == 7.0
    assert torch.equal(kernel, before[0])
    assert torch.equal(bias, before[1])


def test_a_saved_state_continues_to_the_bit():
    whole, stopped = kernel_and_rest(), kernel_and_rest()

    def make(parameters):
        return Muon(parameters[:2], parameters[2:], lr=0.01, weight_decay=0.1)

    steps(whole, make(whole), 5)
    first = make(stopped)
    steps(stopped, first, 2)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second = make(stopped)
    second.load_state_dict(torch.load(file, weights_only=True))
    steps(stopped, second, 3, first=2)
    assert all(torch.equal(a, b) for a, b in zip(whole, stopped, strict=True))


def test_kernels_are_those_between_image_and_logits():
    options = {"n_stages": 2, "features_per_stage": [4, 8], "kernel_sizes": [[3, 3, 3]] * 2}
    more = {"strides": [[1, 1, 1], [2, 2, 2]], "n_conv_per_stage": [2, 2], "n_conv_per_stage_decoder": [2]}
    network = (
        Plugins()
        .registry.create(Kind.ARCHITECTURE, "plain-conv-unet", {**options, **more})
        .build(channels=1, outputs=3)
    )
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    kernels, others = ({names[id(one)] for one in part} for part in split_kernels(network))
    assert kernels == {
        "encoder.stages.0.0.convs.1.conv.weight",
        "encoder.stages.1.0.convs.0.conv.weight",
        "encoder.stages.1.0.convs.1.conv.weight",
        "decoder.transpconvs.0.weight",
        "decoder.stages.0.convs.0.conv.weight",
        "decoder.stages.0.convs.1.conv.weight",
    }
    assert kernels | others == set(names.values())
    assert not kernels & others


def test_kernels_of_one_channel_and_networks_without_kernels_have_none():
    first, depthwise, last = torch.nn.Conv2d(1, 8, 3), torch.nn.Conv2d(8, 8, 3, groups=8), torch.nn.Conv2d(8, 2, 1)
    assert split_kernels(torch.nn.Sequential(first, depthwise, last))[0] == []
    assert split_kernels(torch.nn.InstanceNorm3d(2, affine=True))[0] == []


def test_a_loss_scaler_trains_the_same_without_asking_the_host_and_leaves_out_what_overflows():
    plain, scaled = kernel_and_rest(), kernel_and_rest()
    optimizers = [Muon(parameters[:2], parameters[2:], lr=0.01, weight_decay=0.1) for parameters in (plain, scaled)]
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=100)
    steps(plain, optimizers[0], 2)
    for number in range(3):
        generator = torch.Generator().manual_seed(number)
        for parameter in scaled:
            parameter.grad = 4.0 * torch.randn(parameter.shape, generator=generator)
        if number == 2:
            before = [parameter.detach().clone() for parameter in scaled]
            states = copy.deepcopy(optimizers[1].state_dict()["state"])
            scaled[0].grad[0, 0, 0, 0] = torch.inf
        scaler.scale(torch.zeros(()))
        if number != 1:
            scaler.unscale_(optimizers[1])
        scaler.step(optimizers[1])
        scaler.update()
    assert all(torch.equal(a, b) for a, b in zip(scaled, before, strict=True))
    assert same(optimizers[1].state_dict()["state"], states)
    for one, other in zip(scaled, plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    assert scaler.get_scale() == 2.0


def same(one, other):
    return all(torch.equal(one[key][name], other[key][name]) for key in other for name in other[key])
