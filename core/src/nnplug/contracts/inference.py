"""Inference: make the logits of a preprocessed image with a trained network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from nnplug.ops.sliding_window import Network


@dataclass(frozen=True)
class InferenceContext:
    """The decisions of the plans and of the user that an inference follows, and the device.

    Attributes:
        patch_size: (z, y, x), or (y, x) in 2d: the voxels of the network's input in training.
        batch_size: the number of patches of one pass, at least 1; more may not fit in the device's memory.
        mirror_axes: the axes of the patch along which logits are averaged over mirror images; empty for none.
        outputs: the number K of the network's outputs.
        device: the device of the network.
        sums_on_device: whether the image and its logits may be kept on the device.
        check_size: raises `NnplugError` if the network takes no input of this size, as `Architecture.check_patch`.
    """

    patch_size: tuple[int, ...]
    batch_size: int
    mirror_axes: tuple[int, ...]
    outputs: int
    device: torch.device
    sums_on_device: bool
    check_size: Callable[[Sequence[int]], None]

    def device_for(self, elements: int) -> torch.device:
        """Return the device if this many float32 elements take less than half of its free memory, else the CPU."""
        import torch

        from nnplug.runtime.device import free_memory

        free = free_memory(self.device)
        if free is None or not self.sums_on_device:
            return torch.device("cpu")
        return self.device if elements * torch.finfo(torch.float32).bits // 8 < free // 2 else torch.device("cpu")


class Inference(Protocol):
    """A component that makes the logits of a preprocessed image of any size.

    It calls the network, which takes inputs of the patch size and possibly others, and computes no gradients.
    """

    def passes(self, shape: Sequence[int], context: InferenceContext) -> int:
        """Return the number of reports that `logits` makes for an image of this shape (z, y, x)."""
        ...

    def logits(
        self, network: Network, image: torch.Tensor, context: InferenceContext, report: Callable[[], None]
    ) -> torch.Tensor:
        """Return the logits (K, z, y, x) float32 of an image, on any device.

        Args:
            network: (B, C, *size) float32 on the device -> logits (B, K, *size), of half precision on CUDA.
            image: (C, z, y, x) float32 on the CPU. In 2d each slice along z is an input of its own.
            context: the decisions to follow.
            report: call it after each pass, or group of passes.

        Raises:
            NnplugError: the image cannot be predicted in this way.
        """
        ...


class SlabInference(Inference, Protocol):
    """An inference that needs no memory for the logits of the whole image; its entry has `gives_slabs=True`."""

    def slabs(
        self,
        networks: Sequence[Network],
        image: torch.Tensor,
        channels: int,
        context: InferenceContext,
        report: Callable[[], None],
    ) -> Iterator[torch.Tensor]:
        """Yield the mean of several networks (channels, rows, y, x) float32, from the first row (z) to the last.

        It is called in 3d only. Its values are those of `logits`, averaged over the networks, except for rounding.

        Args:
            networks: each as in `logits`, of one fold each; they may return inputs of a linear last layer instead.
            image: as in `logits`.
            channels: the number of channels that the networks return.
            context: as in `logits`.
            report: call it once for each network where `logits` calls it.

        Yields:
            Some rows, valid until the next ones are read.
        """
        ...
