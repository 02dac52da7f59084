"""Label maps as channels of a network's input."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def one_hot(label_map: torch.Tensor, values: Sequence[int], *, dim: int = 0) -> torch.Tensor:
    """A channel per value: 1 where the label map has it, else 0; other values are in no channel.

    Args:
        label_map: of any shape and type.
        values: in the order of the channels.
        dim: where the new axis goes.

    Returns:
        float32 of the label map's shape with an axis of `len(values)` more.
    """
    return torch.stack([label_map == value for value in values], dim).float()


def expand_last_channel(batch: torch.Tensor, values: Sequence[int]) -> torch.Tensor:
    """Put a one-hot channel per value in the place of the last channel, a label map.

    A whole image keeps its label map as a single channel this way, and only windows of it are expanded.

    Args:
        batch: (B, C + 1, *size).
        values: as in `one_hot`.

    Returns:
        (B, C + len(values), *size) float32.
    """
    return torch.cat((batch[:, :-1], one_hot(batch[:, -1], values, dim=1)), 1)
