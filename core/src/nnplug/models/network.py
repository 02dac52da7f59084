"""The network of a member on its device, used with the weights of one fold after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import torch

from nnplug.contracts import Workload
from nnplug.contracts.attributed import build_network
from nnplug.contracts.attributed.logits_check import check_logits
from nnplug.contracts.capabilities import headed
from nnplug.contracts.kinds import ARCHITECTURE
from nnplug.errors import InvalidFile
from nnplug.models.acceleration import accelerated, accelerators
from nnplug.models.open import Member
from nnplug.models.weights import WeightFiles
from nnplug.ops.one_hot import expand_last_channel
from nnplug.ops.sliding_window import Network
from nnplug.registry.attribution import attributed, broken
from nnplug.registry.components import Registry
from nnplug.runtime.device import autocast, autocast_dtype, memory_format
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

    It computes in float32, on CUDA in half precision. In a cascade the last channel of its input is the previous
    stage's label map, which it expands to one-hot channels.
    """

    def __init__(self, member: Member, registry: Registry, device: torch.device, progress: Progress) -> None:
        """Build the network on the device, accelerated if possible; `progress` gets notices of failed accelerators."""
        self._device = device
        self._states = WeightFiles(member.weights)
        self._loaded: Path | None = None
        configuration, labels = member.plans.configuration(member.configuration), member.description.labels
        self._outputs = labels.outputs
        self._previous_labels = configuration.previous_labels(labels)
        choice = configuration.architecture
        self._entry = registry.get(ARCHITECTURE, choice.name)
        self._architecture = self._entry.create(choice.options)
        channels = configuration.input_channels(member.description)
        module = build_network(self._architecture, channels=channels, outputs=labels.outputs)
        order = memory_format(device, configuration.dimensions)
        module.eval().to(device, memory_format=order)  # type: ignore[call-overload]
        self._half = autocast_dtype(device) if device.type == "cuda" else None
        if self._half is not None:
            _convert_convolutions(module, self._half)
        workload = Workload(device, "prediction", self._half)
        self._accelerators = [entry.origin for entry in accelerators(registry)]
        self.module = accelerated(module, workload, registry=registry, progress=progress)

    @property
    def title(self) -> str:
        """The architecture with its distribution, for messages."""
        return str(self._entry)

    def __call__(self, weights: Path, windows: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, K, *patch) of windows (B, C, *patch) float32.

        Raises:
            InvalidFile: the weights are not those of this network.
        """
        return self._compute(self.module, weights, self._outputs, windows)

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
        architecture = headed(self._entry, self._architecture)
        if architecture is not None and len(weights) == 1:
            self._load(weights[0])
            with attributed(architecture):
                features, last = architecture.split_head(self.module)
            head = cast("torch.nn.Conv3d", last)  # or Conv2d: the contract requires a convolution
            if len(head.weight) != self._outputs:
                what = f"split off a last layer of {len(head.weight)} channels; the labels need {self._outputs}"
                raise broken(architecture, what)
            if head.weight.shape[1] < self._outputs:
                network = partial(self._compute, features, weights[0], head.weight.shape[1])
                return _Averages((network,), head.weight.shape[1], partial(_mix, head.weight, head.bias))
        return _Averages(tuple(partial(self, file) for file in weights), self._outputs, _unchanged)

    def _compute(self, network: Network, weights: Path, channels: int, windows: torch.Tensor) -> torch.Tensor:
        """Return what a network, or all layers but its last, gives for windows; it must have these channels."""
        self._load(weights)
        if self._previous_labels:
            windows = expand_last_channel(windows, self._previous_labels)
        with attributed(self._architecture, *self._accelerators), autocast(self._device, self._half):
            given = network(windows)
        check_logits(self._architecture, given, channels, tuple(windows.shape[2:]))
        return given

    def _load(self, weights: Path) -> None:
        if weights == self._loaded:
            return
        try:
            self.module.load_state_dict(self._states[weights])
        except RuntimeError as error:  # PyTorch lists every difference; the first is enough
            detail = str(error).splitlines()[1:2] or [str(error)]
            raise InvalidFile(f"{weights}: does not fit the network of its plans ({detail[0].strip()})") from error
        self._loaded = weights


def _convert_convolutions(network: torch.nn.Module, dtype: torch.dtype) -> None:
    """Convert the parameters of PyTorch's own convolutions, which autocast otherwise does anew in every pass.

    The numbers stay those of autocast. Subclasses keep float32, because they may use their weights in other ways.
    """
    for layer in network.modules():
        if type(layer) in _CONVOLUTIONS:
            layer.to(dtype)


def _mix(weight: torch.Tensor, bias: torch.Tensor | None, features: torch.Tensor) -> torch.Tensor:
    """Return the convolution (K, y, x) with kernel size 1, weight (K, F, 1, ..), of features (F, y, x)."""
    flat = features.flatten(1)
    matrix = weight.detach().flatten(1).to(flat)
    constant = flat.new_zeros(()) if bias is None else bias.detach().to(flat)[:, None]
    return torch.addmm(constant, matrix, flat).view(-1, *features.shape[1:])


def _unchanged(logits: torch.Tensor) -> torch.Tensor:
    return logits
