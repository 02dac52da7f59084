"""Predict an image by overlapping windows and their mirror images.

The rules are nnU-Net's (Isensee et al., Nature Methods 2021): windows overlap by at least half and are weighted with
a Gaussian, because a network has less context near the border of a window. Sums are float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby, product
from typing import TypeVar

import torch

from nnplug.errors import NnplugError

T = TypeVar("T")
Network = Callable[[torch.Tensor], torch.Tensor]
Window = tuple[int | slice, ...]
_TRUNCATE = 4.0  # sigma; scipy's gaussian_filter is zero beyond


def window_positions(shape: Sequence[int], patch_size: Sequence[int], step: float = 0.5) -> tuple[tuple[int, ...], ...]:
    """Return the starts of windows along each axis, in voxels: evenly spread, at most `step` patches apart.

    Args:
        shape: the shape of the image in voxels, along every axis at least that of the patch.
        patch_size: voxels per axis.
        step: the largest distance of neighbouring windows as a share of the patch, above 0 and at most 1.

    Raises:
        NnplugError: the step is out of its range, or the image is smaller than the patch.
    """
    if not 0 < step <= 1:
        raise NnplugError(f"the step between windows is {step}; it must be above 0 and at most 1 (one patch)")
    return tuple(_starts(size, patch, step) for size, patch in zip(shape, patch_size, strict=True))


def gaussian(patch_size: Sequence[int], sigma: float = 1 / 8) -> torch.Tensor:
    """Return the weight of each voxel of a window: a Gaussian with its maximum, 1, at the middle.

    Weights of zero are replaced by the smallest weight above zero: a voxel that no other window covers would be lost.

    Args:
        patch_size: voxels per axis.
        sigma: the standard deviation as a share of the patch.

    Returns:
        float32, of shape `patch_size`.
    """
    weight = torch.ones((), dtype=torch.float64)
    for size in patch_size:
        weight = weight[..., None] * _bell(size, sigma * size)
    single = weight.float()
    least = single.where(single > 0, torch.inf).min()
    return single.where(single > 0, least)


@dataclass(frozen=True)
class SlidingWindow:
    """The windows that an image is predicted by.

    Attributes:
        patch_size: (z, y, x), or (y, x), voxels. With a patch of two axes each slice of an image has its own windows.
        mirror_axes: axes of the patch along which mirror images are predicted too (2^n passes for n axes, averaged).
        step: the largest distance of neighbouring windows as a share of the patch, above 0 and at most 1.
        batch_size: arrays per pass: windows, and mirror images of them if there are fewer windows.
    """

    patch_size: Sequence[int]
    mirror_axes: Sequence[int] = ()
    step: float = 0.5
    batch_size: int = 1

    def batches(self, shape: Sequence[int]) -> list[Sequence[Window]]:
        """Return the windows of an image (z, y, x), which is at least as large as the patch, grouped into batches.

        For a patch of three axes, the windows of a batch start at the same row.

        Raises:
            NnplugError: as in `window_positions`.
        """
        windows = image_windows(shape, self.patch_size, self.step)
        if len(self.patch_size) < 3:
            return list(in_batches(windows, self.batch_size))
        return [batch for _, own in groupby(windows, key=first_row) for batch in in_batches(list(own), self.batch_size)]

    def passes(self, shape: Sequence[int]) -> int:
        """Return the number of batches of an image (z, y, x) of any size."""
        leading = len(shape) - len(self.patch_size)
        return len(self.batches([*shape[:leading], *map(max, shape[leading:], self.patch_size)]))

    def predict_batch(
        self, network: Network, image: torch.Tensor, windows: Sequence[Window], device: torch.device
    ) -> torch.Tensor:
        """Return the logits (B, K, *patch) of B windows of an image that is at least as large as the patch.

        See `predict_windows` for the arguments.
        """
        batch = _to(torch.stack([image[:, *window] for window in windows]), device)
        return mirrored_mean(network, batch, self.mirror_axes, max(1, self.batch_size // len(windows)))


def predict_windows(
    network: Network,
    image: torch.Tensor,
    sliding: SlidingWindow,
    *,
    device: torch.device,
    accumulate_on: torch.device | None = None,
    report: Callable[[], None] | None = None,
) -> torch.Tensor:
    """Return the logits of an image of any size.

    An image smaller than the patch is padded with zeros on both sides. Under `torch.autocast` the network computes in
    half precision; sums stay float32.

    Args:
        network: (B, C, *patch) float32 -> logits (B, K, *patch), in evaluation mode and on `device`.
        image: (C, z, y, x) float32, on any device.
        sliding: the windows.
        device: the device on which the network computes.
        accumulate_on: the device of the image and the sums, by default `device`. They take 4 (C + K + 1) bytes per
            voxel.
        report: called after each batch.

    Returns:
        (K, z, y, x) float32 on `accumulate_on`.

    Raises:
        NnplugError: the step is out of its range.
    """
    padded, inside = pad_to_patch(image.to(accumulate_on or device), sliding.patch_size)
    weight = gaussian(sliding.patch_size).to(device)
    mean = WeightedMean(padded.shape[1:], weight.to(padded.device))
    with torch.no_grad():
        for group in sliding.batches(padded.shape[1:]):
            # no variable for the logits: it would keep them in memory while the next ones are computed
            mean.add(group, sliding.predict_batch(network, padded, group, device).mul_(weight))
            if report is not None:
                report()
    return mean.result()[:, *inside]


class WeightedMean:
    """The weighted mean of overlapping windows. The first call of `add` sets the number of channels K."""

    def __init__(self, shape: Sequence[int], weight: torch.Tensor) -> None:
        self._shape = tuple(shape)
        self._weight = weight
        self._weights = torch.zeros(self._shape, device=weight.device)
        self._total: torch.Tensor | None = None

    def add(self, windows: Sequence[Window], weighted: torch.Tensor) -> None:
        """Add logits (B, K, *patch) of B windows, already multiplied by the weight."""
        if self._total is None:
            self._total = self._zeros(weighted)
        for window, part in zip(windows, weighted.to(self._weight.device), strict=True):
            self._total[:, *window] += part
            self._weights[window] += self._weight

    def _zeros(self, logits: torch.Tensor) -> torch.Tensor:
        return torch.zeros((logits.shape[1], *self._shape), device=self._weight.device)

    def result(self) -> torch.Tensor:
        """Return the mean (K, z, y, x). It overwrites the sums."""
        assert self._total is not None  # every image has at least one window
        return self._total.div_(self._weights)


def mirrored_mean(network: Network, batch: torch.Tensor, mirror_axes: Sequence[int], at_once: int = 1) -> torch.Tensor:
    """Return the mean of the network's logits over a batch and its mirror images, mirrored back.

    Args:
        network: (B, C, *patch) -> (B, K, *patch).
        batch: (B, C, *patch) float32.
        mirror_axes: axes of the patch; every subset of them is a pass.
        at_once: the number of mirror images in one pass through the network.

    Returns:
        (B, K, *patch) float32.
    """
    flips = [axes for n in range(len(mirror_axes) + 1) for axes in combinations([a + 2 for a in mirror_axes], n)]
    total: torch.Tensor | None = None
    for chosen in in_batches(flips, at_once):
        mirrored = [batch.flip(axes) for axes in chosen]
        outputs = network(torch.cat(mirrored)).chunk(len(chosen))
        for axes, output in zip(chosen, outputs, strict=True):
            back = output.flip(axes) if axes else output  # flipping nothing copies
            total = back.float() if total is None else total.add_(back)  # half precision is added up in float32
    assert total is not None  # the empty subset is a pass too
    return total.div_(len(flips))


def image_windows(shape: Sequence[int], patch_size: Sequence[int], step: float) -> list[Window]:
    """Return every window of an image (z, y, x) as an index; for a patch of two axes, the windows of each slice."""
    leading = len(shape) - len(patch_size)
    axes: list[list[int | slice]] = [list(range(size)) for size in shape[:leading]]
    starts = window_positions(shape[leading:], patch_size, step)
    axes += [[slice(s, s + size) for s in axis] for axis, size in zip(starts, patch_size, strict=True)]
    return list(product(*axes))


def first_row(window: Window) -> int:
    """Return the start of a window on the first axis."""
    first = window[0]
    return int(first.start) if isinstance(first, slice) else first


def pad_to_patch(image: torch.Tensor, patch_size: Sequence[int]) -> tuple[torch.Tensor, tuple[slice, ...]]:
    """Pad an image (C, z, y, x) with zeros on both sides to at least the patch; an odd voxel is added at the end.

    Returns:
        The padded image (C, z, y, x), and the slices (z, y, x) of the image in it.
    """
    spatial = image.shape[1:]
    wanted = [*spatial[: len(spatial) - len(patch_size)], *patch_size]
    missing = [max(0, want - size) for want, size in zip(wanted, spatial, strict=True)]
    inside = tuple(slice(m // 2, m // 2 + size) for m, size in zip(missing, spatial, strict=True))
    if not any(missing):
        return image, inside
    last_first = [side for m in reversed(missing) for side in (m // 2, m - m // 2)]
    return torch.nn.functional.pad(image, last_first), inside


def _starts(size: int, patch: int, step: float) -> tuple[int, ...]:
    if size < patch:
        raise NnplugError(f"an image of {size} voxels is smaller than the patch of {patch}; pad it first")
    count = math.ceil((size - patch) / (patch * step)) + 1
    distance = (size - patch) / max(1, count - 1)
    return tuple(round(i * distance) for i in range(count))  # round() takes halves to even, as numpy does


def _bell(size: int, sigma: float) -> torch.Tensor:
    distance = (torch.arange(size, dtype=torch.float64) - size // 2).abs()
    return torch.exp(-0.5 * (distance / sigma) ** 2) * (distance <= int(_TRUNCATE * sigma + 0.5))


def in_batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Yield the items in groups of `size`; the last group may be smaller."""
    return (items[i : i + size] for i in range(0, len(items), size))


def _to(batch: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return the batch on the device. A copy from pinned host memory runs in parallel with the computation."""
    if device.type == "cuda" and batch.device.type == "cpu":
        return batch.pin_memory().to(device, non_blocking=True)
    return batch.to(device)
