"""A sound network of two resolutions, and networks that break one promise each."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from nnplug.errors import NnplugError


@dataclass(frozen=True)
class Sound:
    axes: int

    @classmethod
    def options_for(cls, topology):
        return {"axes": len(topology.strides[0])}

    def feature_map_elements(self, patch_size, *, channels, heads):
        return (4 + heads) * prod(patch_size)

    def check_patch(self, patch_size):
        if len(patch_size) != self.axes:
            raise NnplugError(f"patch size {list(patch_size)} does not have {self.axes} axes")

    def build(self, *, channels, outputs):
        from nnplug.testing.stand_ins import TinyNetwork

        return TinyNetwork(self.axes, channels=channels, outputs=outputs)


class Adrift(Sound):
    """Cuts the coarser resolution off from its loss."""

    def build(self, *, channels, outputs):
        network = super().build(channels=channels, outputs=outputs)
        network.coarse.register_forward_hook(lambda *call: call[-1].detach())
        return network


class Idle(Sound):
    """Has a layer that nothing calls."""

    def build(self, *, channels, outputs):
        import torch

        network = super().build(channels=channels, outputs=outputs)
        network.idle = torch.nn.Linear(3, 3)
        return network


class Blind(Sound):
    """Looks at the first channel alone."""

    def build(self, *, channels, outputs):
        network = super().build(channels=channels, outputs=outputs)
        network.fine.register_forward_pre_hook(lambda _, given: given[0][:, :1].expand_as(given[0]))
        return network


class Unseeded(Sound):
    def build(self, *, channels, outputs):
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.seed()
            return super().build(channels=channels, outputs=outputs)


class Split(Sound):
    """Offers its last layer apart, which computes something else."""

    def split_head(self, network):
        return network.fine, network.heads[0]


class Unmeasured(Sound):
    """Takes the same memory for every patch, as it says."""

    def feature_map_elements(self, patch_size, *, channels, heads):
        return 1000
