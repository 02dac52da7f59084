"""The contract of the formats of exported networks, and the check of a written file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

from nnplug.errors import NnplugError
from nnplug_export.schema import Format

Computed = Callable[[torch.Tensor], torch.Tensor]

TOLERANCE = 1e-4
"""The greatest difference that is accepted, as a share of the largest logit."""


class NetworkWriter(Protocol):
    """A format of exported networks. One object writes all networks of one export."""

    format: Format
    ending: str

    def write(self, network: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
        """Write a network in evaluation mode, whose batch is dynamic.

        Args:
            network: (B, C, *patch) float32 -> logits (B, K, *patch).
            example: (2, C, *patch) float32.
            path: the file; it ends with `ending`.

        Raises:
            Exception: the network cannot be exported.
        """
        ...

    def read(self, path: Path) -> Computed:
        """Check a written file and return the function that computes its logits; it raises as `write` does."""
        ...


class Difference(NamedTuple):
    """The greatest difference of the logits of a file and of PyTorch, and the largest absolute logit."""

    greatest: float
    largest: float


def compare(network: torch.nn.Module, computed: Computed, example: torch.Tensor) -> Difference:
    """Return the difference on an example (2, C, *patch) as one batch, and on its first image alone.

    Raises:
        NnplugError: the difference is above `TOLERANCE` of the largest logit, or a logit is not finite.
    """
    with torch.no_grad():
        expected = network(example)
    both, first = computed(example), computed(example[:1])
    greatest = max(float((both - expected).abs().max()), float((first - expected[:1]).abs().max()))
    largest = float(expected.abs().max())
    if not greatest <= TOLERANCE * largest:  # NaN is refused, too
        raise NnplugError(
            f"the exported network gives other logits than PyTorch: they differ by {greatest:.3g}, where the largest "
            f"logit is {largest:.3g}"
        )
    return Difference(greatest, largest)
