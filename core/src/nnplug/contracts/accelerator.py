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
        device: where it lies.
        purpose: "training", with gradients, or "prediction", without.
        autocast: what convolutions compute in under autocast; None for float32 without it.
    """

    device: torch.device
    purpose: Literal["training", "prediction"]
    autocast: torch.dtype | None = None


class Accelerator(Protocol):
    """A way to compute networks faster. It changes no result but by rounding, and no file of weights."""

    def accelerate(self, network: torch.nn.Module, workload: Workload) -> torch.nn.Module | None:
        """Return a network that computes the same faster, or None where there is nothing to gain.

        The result is `network` with other layers in it, or a module that takes its place: it has the same parameters
        and buffers, the very objects, under the same names, and the attributes and methods that the architecture gave
        `network`. Weights are loaded into it afterwards, again and again. Its logits differ by rounding at most, by so
        little that the labels of 99.95 % of the foreground stay.

        Args:
            network: of any architecture, on the device, in training mode for training and in evaluation mode for
                prediction; for training, an optimiser may hold its parameters already.
            workload: what it will compute.
        """
        ...
