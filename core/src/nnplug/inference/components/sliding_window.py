"""`sliding-window`: overlapping windows of the patch size, as in nnU-Net."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod

import torch

from nnplug.contracts import InferenceContext, SlabInference
from nnplug.ops.slabs import predict_slabs
from nnplug.ops.sliding_window import Network, SlidingWindow, predict_windows


@dataclass(frozen=True)
class SlidingWindowInference(SlabInference):
    """Average the logits of overlapping windows, weighted with a Gaussian; see `nnplug.ops.sliding_window`.

    Attributes:
        step: the largest distance of neighbouring windows as a share of the patch, above 0 and at most 1.
    """

    step: float = 0.5

    def __post_init__(self) -> None:
        """Raise `ValueError` unless the step is in its range."""
        if not 0 < self.step <= 1:
            raise ValueError(f"step is {self.step}; it must be above 0 and at most 1 (one patch)")

    def passes(self, shape: Sequence[int], context: InferenceContext) -> int:
        """Return the number of batches of windows."""
        return self._windows(context).passes(shape)

    def logits(
        self, network: Network, image: torch.Tensor, context: InferenceContext, report: Callable[[], None]
    ) -> torch.Tensor:
        """See `nnplug.contracts.Inference`."""
        device = context.device_for(_numbers(image, context.outputs, image.shape[1]))
        windows = self._windows(context)
        return predict_windows(network, image, windows, device=context.device, accumulate_on=device, report=report)

    def slabs(
        self,
        networks: Sequence[Network],
        image: torch.Tensor,
        channels: int,
        context: InferenceContext,
        report: Callable[[], None],
    ) -> Iterator[torch.Tensor]:
        """See `nnplug.contracts.SlabInference`; sums of a slab as deep as the patch are in memory."""
        device = context.device_for(_numbers(image, channels, context.patch_size[0]))
        windows = self._windows(context)
        return predict_slabs(networks, image, windows, device=context.device, accumulate_on=device, report=report)

    def _windows(self, context: InferenceContext) -> SlidingWindow:
        return SlidingWindow(context.patch_size, context.mirror_axes, self.step, context.batch_size)


def _numbers(image: torch.Tensor, channels: int, rows: int) -> int:
    """Return the number of float32 numbers of an image, of the sums of two folds in some rows, and of the weights."""
    return (len(image) * image.shape[1] + (2 * channels + 1) * rows) * prod(image.shape[2:])
