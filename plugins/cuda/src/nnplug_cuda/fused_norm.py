"""Instance norm with leaky ReLU on channels-last maps, and its gradients.

PyTorch's instance norm gives each channel of a sample to one block of threads, which leaves most of a large GPU idle.
Here many blocks share a channel. Each writes its part, and the parts are added in a fixed order, so that results are
equal from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from nnplug_cuda import kernels

_TILE = 4096  # numbers that a block of threads holds at once
_CHANNELS = 64  # the largest number of channels of a tile
_BLOCKS = 1024  # blocks that share the work of a reduction, enough for the largest GPUs

Grid = tuple[int, ...]


@dataclass(frozen=True)
class Tiling:
    """The division of a map (N, C, *size), channels last in memory, among blocks of threads.

    Attributes:
        samples: N.
        voxels: of a sample.
        channels: C.
        rows: voxels of a tile.
        width: channels of a tile.
        splits: parts into which reductions divide the voxels.
    """

    samples: int
    voxels: int
    channels: int
    rows: int
    width: int
    splits: int

    @classmethod
    def of(cls, x: Tensor) -> Tiling:
        """Return the tiling for a map."""
        samples, channels, voxels = len(x), x.shape[1], x[0, 0].numel()
        width = min(int(triton.next_power_of_2(channels)), _CHANNELS)
        rows = _TILE // width
        per_part = max(1, _BLOCKS // (samples * -(-channels // width)))
        return cls(samples, voxels, channels, rows, width, min(-(-voxels // rows), per_part))

    @property
    def share(self) -> int:
        """The number of voxels of a part, a multiple of `rows`."""
        return -(-self.voxels // (self.splits * self.rows)) * self.rows

    @property
    def sizes(self) -> dict[str, int]:
        """The arguments that most kernels have in common."""
        return {"voxels": self.voxels, "channels": self.channels, "rows": self.rows, "width": self.width}

    @property
    def joining(self) -> dict[str, int]:
        """The arguments of kernels that add parts."""
        return {
            "samples": self.samples,
            "channels": self.channels,
            "splits": self.splits,
            "width": self.width,
        }

    @property
    def columns(self) -> Grid:
        """A block of threads for each group of channels of a sample."""
        return (-(-self.channels // self.width), self.samples)

    @property
    def tiles(self) -> Grid:
        """A block of threads for each tile."""
        return (-(-self.voxels // self.rows), *self.columns)

    @property
    def parts(self) -> Grid:
        """A block of threads for each part of a reduction."""
        return (self.splits, *self.columns)

    def new_parts(self, x: Tensor) -> Tensor:
        """Return memory for two sums of each part, (N, splits, 2, C) float32."""
        return x.new_empty((self.samples, self.splits, 2, self.channels), dtype=torch.float32)


def statistics(x: Tensor, epsilon: float) -> Tensor:
    """Return mean and inverse deviation of each channel of each sample, (2, N, C) float32.

    Args:
        x: (N, C, *size), channels last in memory.
        epsilon: added to the variance.
    """
    tiling = Tiling.of(x)
    parts = tiling.new_parts(x)
    found = x.new_empty((2, tiling.samples, tiling.channels), dtype=torch.float32)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        kernels.sum_moments[tiling.parts](x, parts, **tiling.sizes, share=tiling.share)
        kernels.join_moments[tiling.columns](x, parts, found, epsilon, voxels=tiling.voxels, **tiling.joining)
    return found


def normalised(x: Tensor, found: Tensor, weight: Tensor, bias: Tensor, slope: float) -> Tensor:
    """Return leaky_relu(norm(x) * weight + bias) in the dtype and order of `x`.

    Args:
        x: (N, C, *size), channels last in memory.
        found: its `statistics`.
        weight: (C).
        bias: (C).
        slope: of the leaky ReLU; 1 for none.
    """
    tiling, y = Tiling.of(x), torch.empty_like(x)
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        kernels.normalise[tiling.tiles](x, y, found, weight, bias, slope, samples=tiling.samples, **tiling.sizes)
    return y


def gradients(
    gradient: Tensor, x: Tensor, found: Tensor, weight: Tensor, bias: Tensor, slope: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of `x`, `weight` and `bias`.

    Args:
        gradient: that of the result of `normalised`, (N, C, *size), channels last in memory.
        x: as in `normalised`.
        found: as in `normalised`.
        weight: as in `normalised`.
        bias: as in `normalised`.
        slope: as in `normalised`.
    """
    tiling, for_x = Tiling.of(x), torch.empty_like(x)
    parts = tiling.new_parts(x)
    sums = x.new_empty((2, tiling.samples, tiling.channels), dtype=torch.float32)
    inputs, sizes = (gradient, x, found, weight, bias, slope), {"samples": tiling.samples, **tiling.sizes}
    with torch.cuda.device_of(x):  # type: ignore[no-untyped-call]
        kernels.sum_gradients[tiling.parts](*inputs, parts, **sizes, share=tiling.share)
        kernels.join_gradients[tiling.columns](parts, sums, **tiling.joining)
        kernels.gradient_of_input[tiling.tiles](*inputs, sums, for_x, **sizes)
    for_bias, for_weight = sums.sum(1)
    return for_x, for_weight.to(weight.dtype), for_bias.to(bias.dtype)
