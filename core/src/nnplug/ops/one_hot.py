"""Label maps as channels of a network's input."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def one_hot(label_map: torch.Tensor, values: Sequence[int], *, dim: int = 0) -> torch.Tensor:
    """Return one channel per value: 1 where the label map has the value, else 0.

    Args:
        label_map: any shape and dtype. Label values that are not in `values` are 0 in all channels.
        values: one label value per channel, in the order of the channels.
        dim: the position of the new axis.

    Returns:
        float32, the shape of the label map with a new axis of length `len(values)`.
    """
    return torch.stack([label_map == value for value in values], dim).float()


def expand_last_channel(batch: torch.Tensor, values: Sequence[int]) -> torch.Tensor:
    """Replace the last channel, a label map, by one one-hot channel per value.

    So a whole image keeps its label map as a single channel, and only windows of it are expanded.

    Args:
        batch: (B, C + 1, *size), any dtype.
        values: as in `one_hot`.

    Returns:
        (B, C + len(values), *size) float32.
    """
    return torch.cat((batch[:, :-1], one_hot(batch[:, -1], values, dim=1)), 1)
