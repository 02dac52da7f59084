"""Accelerators: make a network faster on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Workload:
    """The computation that a network is accelerated for.

    Attributes:
        device: the device of the network.
        purpose: "training", with gradients, or "prediction", without.
        autocast: the dtype of convolutions under autocast; None for float32 without autocast.
    """

    device: torch.device
    purpose: Literal["training", "prediction"]
    autocast: torch.dtype | None = None


class Accelerator(Protocol):
    """A component that makes networks faster. Results change only by rounding; files of weights do not change."""

    def accelerate(self, network: torch.nn.Module, workload: Workload) -> torch.nn.Module | None:
        """Return a faster network with the same results, or None if there is nothing to gain.

        The result is `network` with other layers in it, or a module that replaces it. It has the same parameter and
        buffer objects under the same names, and the attributes and methods of the architecture's `network`. Weights
        are loaded into it afterwards, possibly several times. Its logits differ only by rounding: at least 99.95 % of
        the foreground voxels keep their label.

        Args:
            network: a network of any architecture on the device, in training mode for training and in evaluation mode
                for prediction. For training, an optimiser may already have its parameters.
            workload: the computation that follows.
        """
        ...
