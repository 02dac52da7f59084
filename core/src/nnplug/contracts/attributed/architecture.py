"""The network of an architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnplug.contracts import Architecture
from nnplug.registry.attribution import attributed, expect

if TYPE_CHECKING:
    import torch


def build_network(architecture: Architecture, *, channels: int, outputs: int) -> torch.nn.Module:
    """Return the network of an architecture; see `nnplug.contracts.Architecture.build`.

    Its weights are drawn from PyTorch's random state, which is restored afterwards.
    """
    import torch

    with attributed(architecture), torch.random.fork_rng(devices=[]):
        network = architecture.build(channels=channels, outputs=outputs)
    return expect(architecture, network, torch.nn.Module)
