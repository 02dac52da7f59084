"""Patches that grow during a training: progressive growing of patch size (PGPS, arXiv 2510.23241)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import prod
from typing import Literal

from nnplug.contracts import TrainingTask
from nnplug.errors import NnplugError
from nnplug_fast.shared_cases import SharedCases
from nnplug_nnunet.training.batch_settings import BatchSettings, planned_settings

Growth = Literal["efficiency", "performance"]
"""Whether a small patch makes a batch cheaper, or leaves room for more patches."""
Size = tuple[int, ...]
Check = Callable[[Sequence[int]], None]
"""Raises `NnplugError` for a patch size that the network does not take."""


def growing_settings(
    task: TrainingTask, epoch: int, *, epochs: int, growth: Growth, oversampling: float
) -> BatchSettings:
    """Return the settings of the training batches of an epoch.

    Args:
        task: the training as planned.
        epoch: counted from 0.
        epochs: epochs of the whole training.
        growth: "efficiency" keeps the number of patches. "performance" takes as many as have no more voxels than a
            planned batch. Unless the plans name a sampler, several of them are then of one case.
        oversampling: share of the cases of a batch whose patches are centred on foreground, if several are of one case.
    """
    planned = planned_settings(task)
    patch = size_of_epoch(patch_sizes(planned.patch_size, task.check_patch), epoch, epochs)
    if growth == "efficiency" or patch == planned.patch_size:
        return BatchSettings(patch, planned.batch_size)
    shared = SharedCases(cases=planned.batch_size, oversampling=oversampling)
    return BatchSettings(patch, planned.voxels // prod(patch), shared if task.sampler is None else None)


def size_of_epoch(sizes: Sequence[Size], epoch: int, epochs: int) -> Size:
    """Return the patch size of an epoch.

    Every size gets the same number of epochs, and the last one also those that are left over. If there are more sizes
    than epochs, some are left out, at equal distances; the last one stays.
    """
    if len(sizes) > epochs:
        last = len(sizes) - 1
        sizes = [sizes[last - (epochs - 1 - i) * last // max(1, epochs - 1)] for i in range(epochs)]
    return sizes[min(epoch // (epochs // len(sizes)), len(sizes) - 1)]


@lru_cache(maxsize=16)  # asked for every epoch
def patch_sizes(planned: Size, check: Check) -> tuple[Size, ...]:
    """Return the patch sizes of a training from the smallest to the planned one.

    One axis at a time grows to its next size: the axis whose next size is the smallest, of equal ones the last. An axis
    can have every size with which the network takes the planned patch otherwise: a U-Net the multiples of its strides,
    a network for one size that one alone.

    Sizes that the network refuses as a whole are left out. With instance norm that is the patch of one voxel at the
    bottleneck, where the paper begins: the norm of one voxel is 0 for every image, so the bottleneck would add nothing
    to the logits, and its kernels would get no gradient.

    Args:
        planned: (z, y, x) or (y, x), voxels.
        check: `TrainingTask.check_patch`.
    """
    sizes = _steps([_axis_sizes(planned, axis, check) for axis in range(len(planned))])
    return (*(size for size in sizes if size != planned and _takes(check, size)), planned)


def _axis_sizes(planned: Size, axis: int, check: Check) -> list[int]:
    """Return the sizes of one axis up to the planned one with which the network takes the planned patch otherwise."""
    changed = ((*planned[:axis], n, *planned[axis + 1 :]) for n in range(1, planned[axis]))
    return [*(size[axis] for size in changed if _takes(check, size)), planned[axis]]


def _steps(axes: Sequence[Sequence[int]]) -> Iterator[Size]:
    """Yield patches from the smallest size of every axis to the largest, each with one axis a step larger."""
    steps = [0] * len(axes)
    while True:
        yield tuple(sizes[step] for sizes, step in zip(axes, steps, strict=True))
        growing = [axis for axis, sizes in enumerate(axes) if steps[axis] + 1 < len(sizes)]
        if not growing:
            return
        steps[min(growing, key=lambda axis: (axes[axis][steps[axis] + 1], -axis))] += 1


def _takes(check: Check, size: Size) -> bool:
    try:
        check(size)
    except NnplugError:
        return False
    return True
