"""An inference that attributes errors to its component, and checks results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch

from nnplug.contracts.inference import Inference, InferenceContext, SlabInference
from nnplug.ops.sliding_window import Network
from nnplug.registry.attribution import attributed, broken, expect


@dataclass(frozen=True)
class AttributedInference:
    """An inference with its context. Nothing in it computes gradients.

    Attributes:
        inference: the component, which messages name.
        slabbed: the same object if its entry has `gives_slabs=True`, else None.
        context: the decisions that it follows.
    """

    inference: Inference
    slabbed: SlabInference | None
    context: InferenceContext

    def passes(self, shape: Sequence[int]) -> int:
        """Return the number of reports for an image (z, y, x); see `nnplug.contracts.Inference`."""
        with attributed(self.inference):
            return expect(self.inference, self.inference.passes(shape, self.context), int)

    @torch.no_grad()
    def logits(self, network: Network, image: torch.Tensor, report: Callable[[], None]) -> torch.Tensor:
        """Return the logits (K, z, y, x) float32; see `nnplug.contracts.Inference`.

        Raises:
            InvalidPlugin: the component returns another shape or dtype.
        """
        with attributed(self.inference):
            logits = self.inference.logits(network, image, self.context, report)
        return self._checked(logits, self.context.outputs, image.shape[1:])

    def slabs(
        self, networks: Sequence[Network], image: torch.Tensor, channels: int, report: Callable[[], None]
    ) -> Iterator[torch.Tensor]:
        """Yield slabs (channels, rows, y, x) float32; see `nnplug.contracts.SlabInference`.

        Raises:
            InvalidPlugin: the component yields another shape or dtype, or too few or too many rows.
        """
        assert self.slabbed is not None, "its entry has gives_slabs=True"
        slabs = self.slabbed.slabs(networks, image, channels, self.context, report)
        left = image.shape[1]
        while True:
            with attributed(self.inference), torch.no_grad():
                slab = next(slabs, None)
            if slab is None:
                break
            rows = slab.shape[1] if isinstance(slab, torch.Tensor) and slab.ndim > 1 else 0
            yield self._checked(slab, channels, (rows, *image.shape[2:]))
            left -= rows
        if left:
            count = image.shape[1]
            raise broken(self.inference, f"gave slabs of {count - left} rows for an image of {count}")

    def _checked(self, logits: object, channels: int, shape: Sequence[int]) -> torch.Tensor:
        values = expect(self.inference, logits, torch.Tensor)
        if values.shape != (channels, *shape) or values.dtype != torch.float32:
            found = f"{values.dtype} and shape {tuple(values.shape)}"
            raise broken(self.inference, f"gave logits of {found}; expected torch.float32 {(channels, *shape)}")
        return values
