"""The network that a plan is made for: chosen once, sized for each configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnplug.contracts import Architecture, PlanningContext, Topology
from nnplug.dataset.dataset import DatasetDescription
from nnplug.plans.plans import Choice
from nnplug.registry.attribution import attributed
from nnplug.registry.components import Entry, Kind
from nnplug_nnunet.planning.topology import Size


@dataclass(frozen=True)
class Network:
    """An architecture with what is common to all configurations.

    Attributes:
        entry: the architecture.
        options: what the user or the recipe sets, over what the topology gives.
        channels: of the input.
        heads: entries of `labels`, which is what nnU-Net counts as outputs.
    """

    entry: Entry
    options: Mapping[str, Any]
    channels: int
    heads: int

    @classmethod
    def of(cls, default: str, description: DatasetDescription, context: PlanningContext) -> Network:
        """The architecture that the context names, or else the planner's own."""
        choice = context.choices.get(Kind.ARCHITECTURE, Choice(name=default))
        entry = context.registry.get(Kind.ARCHITECTURE, choice.name)
        return cls(entry, context.architecture_options, len(description.channel_names), description.labels.entries)

    def choice(self, topology: Topology) -> Choice:
        """The network of that geometry, as plans hold it."""
        with attributed(self.entry.origin):
            own = self.entry.load().options_for(topology)
            return Choice(name=self.entry.name, options={**own, **self.options})

    def elements(self, topology: Topology, patch_size: Size) -> int:
        """Elements of all feature maps of one sample."""
        network: Architecture = self.entry.create(self.choice(topology).options)
        with attributed(network):
            return network.feature_map_elements(patch_size, channels=self.channels, heads=self.heads)
