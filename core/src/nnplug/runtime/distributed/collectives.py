"""Compute sums and copies over the processes of a `World`, with the default group of `torch.distributed`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _Sum(torch.autograd.Function):
    """A sum over ranks whose gradient is the gradient of this rank's part only."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ARG004 - torch's signature
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ARG004
        return gradient


def add(values: Tensor) -> Tensor:
    """Return the sum over the ranks; see `World.sum`."""
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


def gather(values: Tensor, rank: int, size: int) -> Tensor:
    """Return the values of all ranks, one after the other; see `World.gather`."""
    lengths = [torch.zeros(1, dtype=torch.int64, device=values.device) for _ in range(size)]
    dist.all_gather(lengths, torch.tensor([len(values)], device=values.device))
    longest = max(int(length) for length in lengths)
    padded = values.new_zeros(longest)
    padded[: len(values)] = values.detach()
    parts = [torch.empty_like(padded) for _ in range(size)]
    dist.all_gather(parts, padded)
    others = [part[: int(length)] for part, length in zip(parts, lengths, strict=True)]
    return torch.cat([values if index == rank else part for index, part in enumerate(others)])


def add_in_place(tensors: Sequence[Tensor]) -> None:
    """Sum each tensor over the ranks, in place.

    All tensors of one dtype travel in one message, because each message takes a fixed time.
    """
    by_type: dict[torch.dtype, list[Tensor]] = defaultdict(list)
    for tensor in tensors:
        by_type[tensor.dtype].append(tensor)
    for same in by_type.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in same])
        dist.all_reduce(flat)
        start = 0
        for tensor in same:
            tensor.copy_(flat[start : start + tensor.numel()].view_as(tensor))
            start += tensor.numel()


def copy(tensors: Iterable[Tensor]) -> None:
    """Copy the tensors of rank 0 to every rank; see `World.copy_from_main`."""
    for tensor in tensors:
        dist.broadcast(tensor, src=0)
