"""A sound accelerator, and accelerators that break one promise each."""

from __future__ import annotations

import copy

import torch


class Sound:
    def accelerate(self, network, workload):
        return network


class Rounds(Sound):
    """Is fast in prediction because it computes with fewer digits."""

    def accelerate(self, network, workload):
        if workload.purpose == "prediction":
            network.register_forward_hook(lambda *call: call[-1].half().float())
        return network


class Freezes(Sound):
    """Saves the time of a gradient."""

    def accelerate(self, network, workload):
        if workload.purpose == "training":
            network.twice.register_forward_hook(lambda *call: call[-1].detach())
        return network


class Renames(Sound):
    def accelerate(self, network, workload):
        return torch.nn.Sequential(network) if workload.purpose == "training" else network


class Copies(Sound):
    """Leaves the network to the optimizer, and trains another."""

    def accelerate(self, network, workload):
        return copy.deepcopy(network) if workload.purpose == "training" else network
