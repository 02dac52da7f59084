"""Leaky ReLU in place, after layers that return views."""

from __future__ import annotations

import torch
from torch import nn


class InPlaceLeakyReLU(nn.LeakyReLU):
    """Leaky ReLU that overwrites its input, also where the input is a view of another tensor.

    PyTorch's instance norm returns a view. The gradient of an operation that overwrites a view copies the whole
    gradient three times, so this layer overwrites the tensor that is viewed.
    """

    def __init__(self, negative_slope: float) -> None:
        """Multiply negative values by this slope."""
        super().__init__(negative_slope, inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` with negative values multiplied by the slope; the shape and order of memory stay."""
        if torch.compiler.is_compiling():  # which makes one kernel of both, without copies
            return super().forward(x)
        whole = x._base  # noqa: SLF001 - documented for views, and without a public name
        return super().forward(x) if whole is None or not _is_whole(x, whole) else super().forward(whole).view(x.shape)


def _is_whole(view: torch.Tensor, base: torch.Tensor) -> bool:
    """Return whether a view has the elements of its base in the same order, and its gradient goes through the base."""
    same = view.numel() == base.numel() and view.is_contiguous() and base.is_contiguous()
    return same and view.requires_grad == base.requires_grad
