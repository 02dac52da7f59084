"""The checks of `nnplug.contracts.Accelerator`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from nnplug.contracts import Workload
from nnplug.ops.layers.joined_conv import JoinedConv2d, JoinedConv3d
from nnplug.testing import samples
from nnplug.testing.check import Checks, Subject, require

FEATURES, OUTPUTS = 4, 3
SIZE = 16
ROUNDING = 1e-4
"""The largest accepted difference of logits and gradients, as a share of the largest value."""


class SmallUNet(nn.Module):
    """A U-Net of two resolutions with common layers, and with two cases that accelerators easily get wrong.

    A convolution is used twice, and the input of a norm is used again after it.
    """

    def __init__(self, axes: int) -> None:
        """Build the network for inputs (B, channels, *patch), with patches of 2 or 3 axes."""
        super().__init__()
        conv, joined = (nn.Conv2d, JoinedConv2d) if axes == 2 else (nn.Conv3d, JoinedConv3d)
        up, norm = (nn.ConvTranspose2d, nn.InstanceNorm2d) if axes == 2 else (nn.ConvTranspose3d, nn.InstanceNorm3d)
        self.fine = nn.Sequential(conv(samples.CHANNELS, FEATURES, 3, padding=1), norm(FEATURES, affine=True))
        self.coarse = nn.Sequential(conv(FEATURES, FEATURES, 3, stride=2, padding=1), norm(FEATURES, affine=True))
        self.twice = conv(FEATURES, FEATURES, 3, padding=1)
        self.norm = norm(FEATURES, affine=True)
        self.up = up(FEATURES, FEATURES, 2, 2)
        self.join = joined(2 * FEATURES, FEATURES, 3, padding=1)
        self.heads = nn.ModuleList([conv(FEATURES, OUTPUTS, 1) for _ in range(2)])

    def forward(self, image: Tensor) -> list[Tensor] | Tensor:
        """Return logits (B, outputs, *size) from fine to coarse; in evaluation mode only the fine ones."""
        fine = torch.relu(self.fine(image))
        coarse = self.twice(torch.relu(self.twice(self.coarse(fine))))
        coarse = coarse + self.norm(coarse)
        logits: Tensor = self.heads[0](torch.relu(self.join([self.up(coarse), fine])))
        return [logits, self.heads[1](coarse)] if self.training else logits


def _predicts_the_same(subject: Subject, axes: int) -> None:
    """Raise unless the logits stay equal. Weights are loaded after the acceleration, as in prediction."""
    plain, other = _network(axes, seed=0).eval(), _network(axes, seed=1).eval()
    faster = _accelerate(subject, other, "prediction")
    with torch.inference_mode():
        expected = plain(_image(axes))
        faster.load_state_dict(plain.state_dict())
        _check_close("logits", faster(_image(axes)), expected)
        _check_close("logits of a second pass", faster(_image(axes)), expected)


def _trains_the_same(subject: Subject, axes: int) -> None:
    plain = _network(axes, seed=0).train()
    faster = _accelerate(subject, copy.deepcopy(plain), "training")
    expected, gradients = _step(plain, axes), _step(faster, axes)
    missing = sorted(expected.keys() - gradients.keys())
    require(not missing, f"parameter {', '.join(missing[:1])} has no gradient")
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        error = float((gradients[name] - gradient).abs().max()) / largest
        require(error < ROUNDING, f"the gradient of {name} changes by {error:.1g} of the largest of all gradients")


def _step(network: nn.Module, axes: int) -> Mapping[str, Tensor]:
    """Return the gradient of each parameter that has one."""
    sum((logits**2).mean() for logits in network(_image(axes))).backward()
    return {name: parameter.grad for name, parameter in network.named_parameters() if parameter.grad is not None}


def _keeps_parameters(subject: Subject, purpose: Literal["training", "prediction"]) -> None:
    for axes in (2, 3):
        network = _network(axes, seed=0).train(purpose == "training")
        parameters, names = dict(network.named_parameters()), list(network.state_dict())
        values = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        faster = _accelerate(subject, network, purpose)
        require(list(faster.state_dict()) == names, "the names in the state dict change")
        for name, parameter in faster.named_parameters():
            require(parameter is parameters[name], f"parameter {name} is another object")
            require(torch.equal(parameter, values[name]), f"the values of parameter {name} change")


def _accelerate(subject: Subject, network: nn.Module, purpose: Literal["training", "prediction"]) -> nn.Module:
    faster = subject.create().accelerate(network, Workload(torch.device("cpu"), purpose))
    require(faster is None or isinstance(faster, nn.Module), f"accelerate gave {type(faster).__name__}")
    return network if faster is None else faster


def _network(axes: int, *, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SmallUNet(axes)


def _image(axes: int) -> Tensor:
    return torch.randn(2, samples.CHANNELS, *(SIZE,) * axes, generator=torch.Generator().manual_seed(0))


def _check_close(what: str, values: Tensor, expected: Tensor) -> None:
    require(values.shape == expected.shape, f"{what} have shape {tuple(values.shape)}, not {tuple(expected.shape)}")
    error = float((values - expected).abs().max() / expected.abs().max())
    require(error < ROUNDING, f"{what} change by {error:.1g} of the largest; rounding is {ROUNDING:g}")


CHECKS: Checks = {
    "predicts the same in 2D": partial(_predicts_the_same, axes=2),
    "predicts the same in 3D": partial(_predicts_the_same, axes=3),
    "has the same gradients in 2D": partial(_trains_the_same, axes=2),
    "has the same gradients in 3D": partial(_trains_the_same, axes=3),
    "keeps the parameters for training": partial(_keeps_parameters, purpose="training"),
    "keeps the parameters for prediction": partial(_keeps_parameters, purpose="prediction"),
}
