"""The component `foreign-channels-last` of kind accelerator."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nnplug.contracts import Accelerator, Workload


@dataclass(frozen=True)
class ChannelsLast(Accelerator):
    """Stores the weights of 2D convolutions with their channels last, the order in which a CPU computes them faster.

    Parameters, names and values stay; the layers give their outputs in the same order.
    """

    def accelerate(self, network: torch.nn.Module, workload: Workload) -> torch.nn.Module | None:
        """See `nnplug.contracts.Accelerator`; None on other devices and for networks without 2D convolutions."""
        if workload.device.type != "cpu" or not any(isinstance(m, torch.nn.Conv2d) for m in network.modules()):
            return None
        return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
