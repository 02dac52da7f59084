"""Batches on the host, and their copy to the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nnplug.contracts import BatchAugmentation, DrawnSamples

Image = npt.NDArray[np.float32]
Label = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Batch:
    """A batch of training patches.

    Attributes:
        image: (B, C, *patch) float32.
        label: (B, 1, *patch) int16.
    """

    image: torch.Tensor
    label: torch.Tensor

    @property
    def locked_bytes(self) -> int:
        """The page-locked memory of the batch."""
        return _locked(self.image) + _locked(self.label)

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return image and label on the training device."""
        return self.image.to(device, non_blocking=True), self.label.to(device, non_blocking=True)


@dataclass(frozen=True)
class DrawnBatch:
    """A batch that is augmented on the training device.

    Attributes:
        groups: its samples, grouped by size, on the host.
        augmentation: the transforms to apply.
    """

    groups: tuple[DrawnSamples, ...]
    augmentation: BatchAugmentation

    @property
    def locked_bytes(self) -> int:
        """The page-locked memory of the batch."""
        tensors = (tensor for group in self.groups for tensor in (group.image, group.label, group.previous))
        return sum(_locked(tensor) for tensor in tensors if tensor is not None)

    def on(self, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the augmented image (B, C, *patch) and label (B, 1, *patch) on the training device."""
        image, label = self.augmentation([_moved(group, device) for group in self.groups])
        return image, label[:, None]


def _locked(tensor: torch.Tensor) -> int:
    """Return the bytes of page-locked memory of a tensor: PyTorch locks powers of two."""
    return 1 << max(tensor.nbytes - 1, 0).bit_length()


def _moved(group: DrawnSamples, device: torch.device) -> DrawnSamples:
    return replace(
        group,
        image=group.image.to(device, non_blocking=True),
        label=group.label.to(device, non_blocking=True),
        previous=None if group.previous is None else group.previous.to(device, non_blocking=True),
    )


def empty(shape: Sequence[int], dtype: torch.dtype, *, pinned: bool) -> torch.Tensor:
    """Return a tensor for a batch. A GPU copies from page-locked ("pinned") memory while it computes.

    PyTorch keeps such memory for later batches, so that it is not made anew.
    """
    return torch.empty(tuple(shape), dtype=dtype, pin_memory=pinned)


def stacked(arrays: Sequence[npt.NDArray[Any]], dtype: torch.dtype, *, pinned: bool) -> torch.Tensor:
    """Return arrays of one shape and of this type as a tensor with a new first axis."""
    together = empty((len(arrays), *arrays[0].shape), dtype, pinned=pinned)
    np.stack(arrays, out=together.numpy())
    return together
