"""The component `foreign-tiles` of kind inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import ceil

import torch

from nnplug.contracts import Inference, InferenceContext


@dataclass(frozen=True)
class Tiles(Inference):
    """Predict patches side by side, without overlap and without mirror images of single axes.

    Attributes:
        mirror: whether to average with the image that is mirrored along all axes of the context at once.
    """

    mirror: bool = True

    def passes(self, shape: Sequence[int], context: InferenceContext) -> int:
        """Return the number of patches."""
        return len(self._starts(shape, context))

    def logits(
        self,
        network: Callable[[torch.Tensor], torch.Tensor],
        image: torch.Tensor,
        context: InferenceContext,
        report: Callable[[], None],
    ) -> torch.Tensor:
        """See `nnplug.contracts.Inference`; a patch that ends outside the image is padded with zeros."""
        flat = len(context.patch_size) == 2
        patch = self._patch(context)
        logits = torch.zeros((context.outputs, *image.shape[1:]))
        for start in self._starts(image.shape[1:], context):
            window = tuple(slice(s, s + size) for s, size in zip(start, patch, strict=True))
            part = image[:, *window]
            tile = torch.zeros((len(image), *patch))
            inside = tuple(slice(0, size) for size in part.shape[1:])
            tile[:, *inside] = part
            output = self._mean(network, (tile[:, 0] if flat else tile)[None].to(context.device), context)
            whole = output[0].float().cpu()
            logits[:, *window] = (whole[:, None] if flat else whole)[:, *inside]
            report()
        return logits

    def _mean(
        self, network: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor, context: InferenceContext
    ) -> torch.Tensor:
        axes = [axis + 2 for axis in context.mirror_axes]
        if not (self.mirror and axes):
            return network(batch)
        return (network(batch) + network(batch.flip(axes)).flip(axes)) / 2

    def _starts(self, shape: Sequence[int], context: InferenceContext) -> list[tuple[int, ...]]:
        patch = self._patch(context)
        counts = [ceil(size / step) for size, step in zip(shape, patch, strict=True)]
        return [tuple(n * step for n, step in zip(index, patch, strict=True)) for index in product(*map(range, counts))]

    def _patch(self, context: InferenceContext) -> tuple[int, ...]:
        return (1, *context.patch_size) if len(context.patch_size) == 2 else context.patch_size
