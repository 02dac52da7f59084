"""The accelerator for CPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnplug.contracts import Accelerator, Workload

if TYPE_CHECKING:
    from torch import nn


class CpuAccelerator(Accelerator):
    """A replacement of layers that PyTorch computes slowly on a CPU in float32."""

    def accelerate(self, network: nn.Module, workload: Workload) -> nn.Module | None:
        """Return `network` with faster layers; see `nnplug.contracts.Accelerator`.

        The weights of convolutions move to channels-last order. Gradients of gradients are not available afterwards.
        Hooks of replaced layers stay. The result is None if the device is no CPU, the arithmetic is not float32, or no
        layer can be replaced.
        """
        if workload.device.type != "cpu" or workload.autocast is not None:
            return None
        from nnplug_cpu.replacement import for_prediction, for_training

        return for_prediction(network) if workload.purpose == "prediction" else for_training(network)
