"""The network of the plans: chosen once, sized for each configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnplug.contracts import PlanningContext, Topology
from nnplug.contracts.capabilities import patch_class, topology_class
from nnplug.contracts.kinds import ARCHITECTURE, ArchitectureEntry
from nnplug.dataset.description import DatasetDescription
from nnplug.errors import InvalidPlugin
from nnplug.plans.plans import Choice
from nnplug.registry.attribution import attributed
from nnplug.registry.components import Kind
from nnplug_nnunet.planning.topology import Size


@dataclass(frozen=True)
class Network:
    """An architecture with the settings that all configurations share.

    Attributes:
        entry: the architecture.
        options: options of the user or the recipe; they replace those derived from the topology or the patch.
        channels: channels of the input.
        heads: number of entries of `labels`; nnU-Net counts these as outputs.
    """

    entry: ArchitectureEntry
    options: Mapping[str, Any]
    channels: int
    heads: int

    @classmethod
    def of(cls, default: str, description: DatasetDescription, context: PlanningContext) -> Network:
        """Return the architecture that the context names, or else the planner's default."""
        choice = context.choices.get(Kind.ARCHITECTURE, Choice(name=default))
        entry = context.registry.get(ARCHITECTURE, choice.name)
        return cls(entry, context.architecture_options, len(description.channel_names), description.labels.entries)

    @property
    def takes_topology(self) -> bool:
        """Return whether the planner decides the network's stages; if not, the network derives them from the patch."""
        return self.entry.component.takes_topology

    def choice(self, topology: Topology | None, patch_size: Size) -> Choice:
        """Return the network of this topology as plans hold it; without a topology, the network of this patch."""
        with attributed(self.entry.origin):
            return Choice(name=self.entry.name, options={**self._own_options(topology, patch_size), **self.options})

    def largest_patch(self, limit: Sequence[int]) -> Size:
        """Return the largest patch that the network takes, for a network that decides its stages itself.

        Args:
            limit: voxels per axis that the patch must not exceed.

        Raises:
            InvalidPlugin: the architecture returned a patch with another number of axes or above the limit.
            NnplugError: the network takes no patch within the limit.
        """
        network = patch_class(self.entry)
        with attributed(self.entry.origin):
            patch = tuple(network.largest_patch(tuple(limit)))
        if len(patch) != len(limit) or any(not 0 < n <= most for n, most in zip(patch, limit, strict=True)):
            raise InvalidPlugin(f"{self.entry}: largest_patch({tuple(limit)}) gave {patch}, which is not within it")
        return patch

    def elements(self, topology: Topology | None, patch_size: Size) -> int:
        """Return the number of elements of all feature maps of one sample."""
        network = self.entry.create(self.choice(topology, patch_size).options)
        with attributed(network):
            return network.feature_map_elements(patch_size, channels=self.channels, heads=self.heads)

    def _own_options(self, topology: Topology | None, patch_size: Size) -> Mapping[str, Any]:
        if topology is None:
            return patch_class(self.entry).options_for_patch(patch_size)
        return topology_class(self.entry).options_for(topology)
