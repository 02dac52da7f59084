"""Describe a network in a table: its stages with shapes, parameters and feature maps. Nothing is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from nnplug.contracts import Architecture
from nnplug.contracts.attributed.architecture import build_network
from nnplug.dataset.description import DatasetDescription
from nnplug.plans.plans import Plans
from nnplug.registry.components import Kind, Registry

if TYPE_CHECKING:
    import torch

MATRIX = 2
"""The least number of axes of a parameter that counts as the weights of a layer with a feature map."""


@dataclass(frozen=True)
class StageSummary:
    """One stage of a network.

    Attributes:
        name: the name of its modules up to the first number, such as "encoder.stages.2".
        shape: (C, *size) of its last feature map, for one patch.
        layers: the number of convolutions and other layers with weights.
        parameters: the number of trainable values.
        elements: the number of elements in the feature maps of its layers, for one patch.
    """

    name: str
    shape: tuple[int, ...]
    layers: int
    parameters: int
    elements: int


@dataclass(frozen=True)
class NetworkSummary:
    """A network and its stages.

    Attributes:
        configuration: the name of the configuration.
        architecture: the name of the architecture.
        patch_size: (z, y, x) or (y, x), voxels.
        batch_size: patches per batch.
        channels: the number of channels of the input.
        outputs: the number of channels of the logits.
        stages: the stages in the order of computation.
        parameters: the number of trainable values of the whole network.
        planned_elements: the number of feature-map elements for one patch, as the planner counts them.
    """

    configuration: str
    architecture: str
    patch_size: tuple[int, ...]
    batch_size: int
    channels: int
    outputs: int
    stages: tuple[StageSummary, ...]
    parameters: int
    planned_elements: int

    @property
    def elements(self) -> int:
        """The number of elements in all feature maps for one patch."""
        return sum(stage.elements for stage in self.stages)


def summarize(plans: Plans, name: str, description: DatasetDescription, registry: Registry) -> NetworkSummary:
    """Return the summary of a configuration's network. No memory is allocated for the network.

    Raises:
        NnplugError: the plans have no such configuration, or no plugin offers the architecture.
    """
    import torch

    configuration = plans.configuration(name)
    choice = configuration.architecture
    architecture: Architecture = registry.create(Kind.ARCHITECTURE, choice.name, choice.options)
    labels = plans.training_description(description).labels
    channels, outputs = configuration.input_channels(description), labels.outputs
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        network = build_network(architecture, channels=channels, outputs=outputs).train()
        written = _trace(network, torch.zeros(1, channels, *configuration.patch_size))
    return NetworkSummary(
        configuration=name,
        architecture=choice.name,
        patch_size=configuration.patch_size,
        batch_size=configuration.batch_size,
        channels=channels,
        outputs=outputs,
        stages=tuple(_stages(network, written)),
        parameters=sum(p.numel() for p in network.parameters()),
        planned_elements=architecture.feature_map_elements(
            configuration.patch_size, channels=channels, heads=labels.entries
        ),
    )


def _trace(network: torch.nn.Module, image: torch.Tensor) -> list[tuple[str, tuple[int, ...]]]:
    """Return name and output shape (C, *size) of each layer with weights, in the order of computation."""
    import torch

    written: list[tuple[str, tuple[int, ...]]] = []

    def note(name: str) -> Any:
        return lambda _module, _inputs, output: written.append((name, tuple(output.shape[1:])))

    for name, module in network.named_modules():
        own = list(module.parameters(recurse=False))
        if not list(module.children()) and any(p.ndim >= MATRIX for p in own):
            module.register_forward_hook(note(name))
    with torch.no_grad():
        network(image)
    return written


def _stages(network: torch.nn.Module, written: list[tuple[str, tuple[int, ...]]]) -> Iterator[StageSummary]:
    parameters = {name: p.numel() for name, p in network.named_parameters()}
    for stage in dict.fromkeys(_stage(name) for name, _ in written):
        shapes = [shape for name, shape in written if _stage(name) == stage]
        yield StageSummary(
            name=stage,
            shape=shapes[-1],
            layers=len(shapes),
            parameters=sum(count for name, count in parameters.items() if _stage(name) == stage),
            elements=sum(map(prod, shapes)),
        )


def _stage(name: str) -> str:
    """Return the name of a module or parameter up to and with its first number."""
    parts = name.split(".")
    end = next((index for index, part in enumerate(parts) if part.isdecimal()), 0)
    return ".".join(parts[: end + 1])
