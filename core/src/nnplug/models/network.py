"""The network of a member on its device, used with the weights of one fold after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple, cast

import torch

from nnplug.contracts import Workload
from nnplug.contracts.attributed.architecture import build_network
from nnplug.contracts.attributed.logits_check import check_logits
from nnplug.contracts.capabilities import headed
from nnplug.contracts.kinds import ARCHITECTURE
from nnplug.models.acceleration import accelerated, accelerators
from nnplug.models.fold_networks import FoldNetworks
from nnplug.models.open import Member
from nnplug.models.overflow import OverflowCheck
from nnplug.ops.one_hot import expand_last_channel
from nnplug.ops.sliding_window import Network
from nnplug.registry.attribution import attributed, broken
from nnplug.registry.components import Registry
from nnplug.runtime.device import autocast, memory_format, prediction_dtype
from nnplug.runtime.progress import Progress

_CONVOLUTIONS = {torch.nn.Conv2d, torch.nn.Conv3d, torch.nn.ConvTranspose2d, torch.nn.ConvTranspose3d}


class _Averages(NamedTuple):
    """The networks whose outputs are averaged over windows, and the function from the mean to logits.

    Attributes:
        networks: (B, C, *patch) -> (B, channels, *patch); their outputs are averaged.
        channels: the number of channels of their outputs.
        to_logits: the mean of one slice (channels, y, x) float32 -> its logits (K, y, x) float32.
    """

    networks: tuple[Network, ...]
    channels: int
    to_logits: Callable[[torch.Tensor], torch.Tensor]


class MemberNetwork:
    """The network of a loaded member. It is built once, and computes with the weights that a call gives.

    It computes in float32, on CUDA in the precision of the training. In a cascade the last channel of its input is the
    previous stage's label map, which it expands to one-hot channels.
    """

    def __init__(
        self,
        member: Member,
        registry: Registry,
        device: torch.device,
        progress: Progress,
        *,
        place: torch.device | None = None,
    ) -> None:
        """Build the network on the device, accelerated if possible.

        Args:
            member: plans and weights.
            registry: the architecture, and the accelerators.
            device: decides the precision.
            progress: receives notices of failed accelerators.
            place: the device of the tensors, if it is another one.
        """
        self._device, self._files, self._registry, self._progress = place or device, member.weights, registry, progress
        configuration, labels = member.plans.configuration(member.configuration), member.description.labels
        self._outputs, self._dimensions = labels.outputs, configuration.dimensions
        self._previous_labels = configuration.previous_labels(labels)
        choice = configuration.architecture
        self._entry = registry.get(ARCHITECTURE, choice.name)
        self._architecture = self._entry.create(choice.options)
        self._channels = configuration.input_channels(member.description)
        self._accelerators = [entry.origin for entry in accelerators(registry)]
        self.half = prediction_dtype(device, member.precision)
        self.overflow = OverflowCheck()
        self._folds = self.folds(partial(self._built, self.half))

    @property
    def module(self) -> torch.nn.Module:
        """The network of the first fold that is computed."""
        return self._folds.first

    @cached_property
    def _precise(self) -> FoldNetworks:
        """The networks in float32, for windows that are not finite in half precision."""
        return self.folds(partial(self._built, None))

    def folds(self, build: Callable[[], torch.nn.Module]) -> FoldNetworks:
        """Return the networks of the folds; `build` returns a new one on the device."""
        return FoldNetworks(self._files, self._device, build)

    def _built(self, half: torch.dtype | None) -> torch.nn.Module:
        """Return a new network on the device, for half precision or float32."""
        module = build_network(self._architecture, channels=self._channels, outputs=self._outputs)
        self._move(module.eval())
        if half is not None:
            _convert_convolutions(module, half)
        workload = Workload(self._device, "prediction", half)
        return accelerated(module, workload, registry=self._registry, progress=self._progress)

    def _move(self, module: torch.nn.Module) -> None:
        """Move a network to the device, in the memory order of prediction."""
        module.to(self._device, memory_format=memory_format(self._device, self._dimensions))  # type: ignore[call-overload]

    @property
    def title(self) -> str:
        """The architecture with its distribution, for messages."""
        return str(self._entry)

    def __call__(self, weights: Path, windows: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, K, *patch) of windows (B, C, *patch) float32.

        Raises:
            InvalidFile: the weights are not those of this network.
        """
        return self._compute(_whole, weights, self._outputs, windows)

    def trial(self, windows: torch.Tensor) -> torch.Tensor:
        """Return logits with the network's present weights; used to measure memory."""
        if self._previous_labels:
            windows = expand_last_channel(windows, self._previous_labels)
        with torch.no_grad():
            return self._pass(self.module, windows, self._outputs, self.half)

    def check_size(self, size: Sequence[int]) -> None:
        """Raise `NnplugError` if the network cannot take an input of this size, (z, y, x) or (y, x)."""
        with attributed(self._architecture):
            self._architecture.check_patch(size)

    def averages(self, weights: Sequence[Path]) -> _Averages:
        """Return the networks to average for the mean logits of folds: whole networks, or all layers but the last.

        A linear layer commutes with the mean: average its inputs over the windows, then apply it once. This is done for
        a single fold if the last layer has fewer inputs than outputs. With several folds each has its own last layer.

        Raises:
            InvalidFile: the weights are not those of this network.
        """
        if headed(self._entry, self._architecture) is not None and len(weights) == 1:
            module = self._folds[weights[0]]
            features, last = self._split(module)
            head = cast("torch.nn.Conv3d", last)  # or Conv2d: the contract requires a convolution
            if len(head.weight) != self._outputs:
                what = f"split off a last layer of {len(head.weight)} channels; the labels need {self._outputs}"
                raise broken(self._architecture, what)
            if head.weight.shape[1] < self._outputs:

                def layers(one: torch.nn.Module) -> Network:
                    return features if one is module else self._split(one)[0]

                network = partial(self._compute, layers, weights[0], head.weight.shape[1])
                return _Averages((network,), head.weight.shape[1], partial(_mix, head.weight, head.bias))
        return _Averages(tuple(partial(self, file) for file in weights), self._outputs, _unchanged)

    def _split(self, module: torch.nn.Module) -> tuple[Network, torch.nn.Module]:
        """Return all layers but the last one, and the last one; the entry has `has_linear_head=True`."""
        architecture = headed(self._entry, self._architecture)
        assert architecture is not None
        with attributed(architecture):
            return architecture.split_head(module)

    def _compute(
        self, layers: Callable[[torch.nn.Module], Network], weights: Path, channels: int, windows: torch.Tensor
    ) -> torch.Tensor:
        """Return what some layers of the network give for windows; it must have these channels.

        Windows that are not finite in half precision are computed again in float32, see `OverflowCheck`.
        """
        if self._previous_labels:
            windows = expand_last_channel(windows, self._previous_labels)
        given = self._pass(layers(self._folds[weights]), windows, channels, self.half)
        if self.half is None:
            return given

        def again(wrong: Sequence[int]) -> torch.Tensor:
            return self._pass(layers(self._precise[weights]), windows[wrong], channels, None)

        return self.overflow.checked(given, again)

    def _pass(self, network: Network, windows: torch.Tensor, channels: int, half: torch.dtype | None) -> torch.Tensor:
        with attributed(self._architecture, *self._accelerators), autocast(self._device, half):
            given = network(windows)
        check_logits(self._architecture, given, channels, tuple(windows.shape[2:]))
        return given


def _convert_convolutions(network: torch.nn.Module, dtype: torch.dtype) -> None:
    """Convert the parameters of PyTorch's own convolutions, which autocast otherwise does anew in every pass.

    The numbers stay those of autocast. Subclasses keep float32, because they may use their weights in other ways.
    """
    for layer in network.modules():
        for name, parameter in layer.named_parameters(recurse=False) if type(layer) in _CONVOLUTIONS else ():
            setattr(layer, name, torch.nn.Parameter(parameter.detach().to(dtype), parameter.requires_grad))


def _mix(weight: torch.Tensor, bias: torch.Tensor | None, features: torch.Tensor) -> torch.Tensor:
    """Return the convolution (K, y, x) with kernel size 1, weight (K, F, 1, ..), of features (F, y, x)."""
    flat = features.flatten(1)
    matrix = weight.detach().flatten(1).to(flat)
    constant = flat.new_zeros(()) if bias is None else bias.detach().to(flat)[:, None]
    return torch.addmm(constant, matrix, flat).view(-1, *features.shape[1:])


def _whole(module: torch.nn.Module) -> Network:
    """Return all layers of a network."""
    return module


def _unchanged(logits: torch.Tensor) -> torch.Tensor:
    return logits
