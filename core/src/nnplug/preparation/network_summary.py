"""A network in a table: its stages, their shapes, parameters and feature maps, found without computing anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from nnplug.contracts import Architecture
from nnplug.contracts.attributed import build_network
from nnplug.dataset.dataset import DatasetDescription
from nnplug.plans.plans import Plans
from nnplug.registry.components import Kind, Registry

if TYPE_CHECKING:
    import torch

MATRIX = 2
"""Axes from which a parameter counts as weights of a layer that writes a feature map."""


@dataclass(frozen=True)
class StageSummary:
    """One stage of a network.

    Attributes:
        name: of the modules, up to and with their first number, as "encoder.stages.2".
        shape: (C, *size) of the last feature map that it writes, for one sample.
        layers: convolutions, and other layers with weights.
        parameters: numbers that training changes.
        elements: of all feature maps that its layers write, for one sample.
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
        configuration: its name in the plans.
        architecture: the component's name.
        patch_size: (z, y, x) or (y, x).
        batch_size: samples per batch.
        channels: of the input.
        outputs: channels of the logits.
        stages: in the order in which they compute.
        parameters: numbers that training changes, of the whole network.
        planned_elements: feature-map elements of one sample as the planner counts them.
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
        """The memory of all feature maps of one sample."""
        return sum(stage.elements for stage in self.stages)


def summarize(plans: Plans, name: str, description: DatasetDescription, registry: Registry) -> NetworkSummary:
    """Describe the network of a configuration; no memory is allocated for it.

    Raises:
        NnplugError: the plans have no such configuration, or nobody offers the architecture.
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
    """The name of each layer with weights and the shape (C, *size) that it writes, in the order of computing."""
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
    """The part of a module's or parameter's name up to and with its first number."""
    parts = name.split(".")
    end = next((index for index, part in enumerate(parts) if part.isdigit()), 0)
    return ".".join(parts[: end + 1])
