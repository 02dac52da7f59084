"""Make the errors of `previous` in label maps on a device, by operations that never wait for the device.

The CPU's functions look for bounding boxes and components, whose number the host would have to read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.fft import next_fast_len
from torch.nn.functional import max_pool2d, max_pool3d, pad

from nnplug_nnunet.augmentation.previous import ComponentRemoval, Operation, Operator, ball
from nnplug_nnunet.augmentation.sample import on_device

_ROUNDS = 20
"""Rounds of joining components. Blobs, noise and spirals take at most 12; a serpentine of 30,000 voxels takes 20."""
Mask = npt.NDArray[np.bool_]
_EXACT = 1 << 24  # voxels whose numbers float32 holds


def operate(labels: torch.Tensor, operations: Sequence[Operation]) -> None:
    """Apply operations to a label map (*size) in place; a voxel that one label gains, the others lose."""
    for operation in operations:
        before = labels == operation.label
        after = _morph(before, operation.operator, ball(operation.radius, labels.ndim))
        labels.copy_(torch.where(after, operation.label, torch.where(before, 0, labels)))


def _morph(mask: torch.Tensor, operator: Operator, element: Mask) -> torch.Tensor:
    """See `nnplug_nnunet.augmentation.previous.morph`."""
    dilate = _Dilation(mask.shape, element, mask.device)
    if operator == "dilate":
        return dilate(mask)
    if operator == "erode":
        return ~dilate(~mask)
    if operator == "open":
        return dilate(~dilate(~mask))
    return ~dilate(~dilate(mask))


class _Dilation:
    """Dilation of masks of one size, by Fourier transforms."""

    def __init__(self, size: Sequence[int], element: Mask, device: torch.device) -> None:
        self._reach = len(element)
        self._padded = [next_fast_len(n + self._reach - 1, real=True) for n in size]
        turned = element[(slice(None, None, -1),) * element.ndim].astype(np.float32)
        self._spectrum = torch.fft.rfftn(on_device(turned, device), s=self._padded)

    def __call__(self, mask: torch.Tensor) -> torch.Tensor:
        before = (self._reach - 1) // 2
        sides = [
            side
            for n, whole in zip(reversed(mask.shape), reversed(self._padded), strict=True)
            for side in (before, whole - n - before)
        ]
        spectrum = torch.fft.rfftn(pad(mask.float(), sides)).mul_(self._spectrum)
        counts = torch.fft.irfftn(spectrum, s=self._padded)
        valid = tuple(slice(self._reach - 1, self._reach - 1 + n) for n in mask.shape)
        dilated: torch.Tensor = counts[valid] > 0.5
        return dilated


def remove_components(labels: torch.Tensor, params: Mapping[int, float], transform: ComponentRemoval) -> None:
    """Remove one small component of each drawn label of a label map (*size) in place; see `ComponentRemoval`."""
    for label, which in params.items():
        mask = labels == label
        labels.masked_fill_(_small_component(mask, which, transform.largest * labels.numel()), 0)


def _small_component(mask: torch.Tensor, which: float, limit: float) -> torch.Tensor:
    """Return the mask of one component of fewer than `limit` voxels; an empty mask if there is none.

    Args:
        mask: (*size).
        which: 0 is the first of these components, just below 1 the last, in the order of their first voxels.
        limit: voxels.
    """
    first, inside = first_voxels(mask), mask.flatten()
    voxels = torch.arange(len(inside), device=mask.device)
    sizes = torch.zeros_like(first).scatter_add_(0, first, inside.long())
    small = inside & (first == voxels) & (sizes < limit)
    rank = small.long().cumsum(0)
    chosen = (rank[-1] * which).long() + 1  # counted from 1
    root = torch.where(small & (rank == chosen), voxels, -1).amax()
    return (inside & (first == root)).view(mask.shape)


def first_voxels(mask: torch.Tensor) -> torch.Tensor:
    """Return for each voxel of a flattened mask the first voxel of its component, for voxels outside their own number.

    Neighbours are voxels that share a face, an edge or a corner. Each round is that of FastSV (Zhang, Azad and Buluc
    2020): all voxels learn of the lowest number around them, and numbers point to lower ones. The number of rounds is
    fixed, because the host would have to wait to see whether one more is needed.
    """
    inside = mask.flatten()
    parents = torch.arange(len(inside), device=mask.device)
    number = torch.float32 if len(inside) < _EXACT else torch.float64
    pool = max_pool2d if mask.ndim == 2 else max_pool3d
    for _ in range(_ROUNDS):
        above = parents[parents]
        negative = torch.where(inside, -above.to(number), -torch.inf).view(1, 1, *mask.shape)
        lowest = torch.where(inside, (-pool(negative, 3, stride=1, padding=1)).flatten(), above.to(number)).long()
        parents = parents.scatter_reduce(0, parents, lowest, "amin")
        parents = torch.minimum(torch.minimum(parents, lowest), above)
    return parents[parents]
