"""The transforms of Winograd's minimal filtering F(m, 3) along one axis, and their transposes.

A tile of m outputs depends on m + 2 inputs and needs m + 2 products, one per *point*. The transformed axis is the
middle one: images are (outer, extent, inner), points (point, outer, tile, inner), where `inner` is a contiguous plane,
so that every transform is a product with a small matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

TAPS = 3
"""Number of weights of a kernel along the axis."""
BIAS_POINT = 1
"""A constant added to the product at this point, the number 1, is added to every output."""

# Cook and Toom's method evaluates polynomials at these numbers; the last point is infinity. These small numbers lose
# the least precision (Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution", TOMS 2020).
_NUMBERS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "4", "-1/4")))
_TILES = (4, 5, 6, 7, 8)  # outputs; larger tiles lose precision
LARGEST_TILE = _TILES[-1]
"""The largest number of outputs of a tile."""
PRECISE_TILE = 6
"""The largest number of outputs of a tile that is as precise as smaller tiles; errors double with 8."""
_WORTH_IT = 0.6  # share of a direct convolution's multiplications; above it the transforms cost more than they save

_ALL = slice(None)
_NEAR = 1 << 22  # numbers, 16 MB: the cache that the cores share


class _Tile(NamedTuple):
    """The part of one tile inside the image: its inputs and outputs on the axis, and their positions in the tile."""

    inputs: slice
    input_places: slice
    outputs: slice
    output_places: slice


@dataclass(frozen=True)
class Tiling:
    """An axis of `extent` elements, padded by one zero at either end, in tiles of `outputs`."""

    extent: int
    outputs: int

    @classmethod
    def best(cls, extent: int, largest: int = LARGEST_TILE) -> Tiling | None:
        """Return the tiling with the fewest products, or None if a direct convolution is as fast.

        Args:
            extent: elements of the axis.
            largest: the largest number of outputs of a tile.
        """
        tilings = (cls(extent, outputs) for outputs in _TILES if outputs <= largest)
        tiling = min(tilings, key=lambda t: t.points * t.count)
        return tiling if tiling.points * tiling.count <= _WORTH_IT * TAPS * extent else None

    @property
    def points(self) -> int:
        """The number of inputs of a tile, and of its products."""
        return self.outputs + TAPS - 1

    @property
    def count(self) -> int:
        """The number of tiles; the last may extend beyond the axis."""
        return -(-self.extent // self.outputs)

    def parts(self, plane: int) -> Iterator[slice]:
        """Yield groups of tiles whose points fit into the processor's cache.

        Args:
            plane: numbers per element of the axis, over `outer` and `inner`.
        """
        at_once = max(1, _NEAR // (self.points * plane))
        return (slice(start, start + at_once) for start in range(0, self.count, at_once))

    def inputs_to_points(self, x: Tensor, part: slice = _ALL) -> Tensor:
        """Transform (outer, extent, inner) to (point, outer, tile, inner), for all tiles or a part of them."""
        matrix = x.new_tensor(_matrices(self.outputs).inputs)
        return self._to_points(x, matrix, [(tile.inputs, tile.input_places) for tile in self._tiles()[part]])

    def outputs_to_points(self, y: Tensor) -> Tensor:
        """Transform (outer, extent, inner) to (point, outer, tile, inner): the transpose of `points_to_outputs`."""
        matrix = y.new_tensor(_matrices(self.outputs).outputs).T
        return self._to_points(y, matrix, [(tile.outputs, tile.output_places) for tile in self._tiles()])

    def points_to_outputs(self, points: Tensor, part: slice = _ALL, out: Tensor | None = None) -> Tensor:
        """Transform (point, outer, tile, inner) to (outer, extent, inner); a part of the tiles writes into `out`."""
        return self._from_points(points, points.new_tensor(_matrices(self.outputs).outputs), part, out)

    def points_to_inputs(self, points: Tensor) -> Tensor:
        """Transform (point, outer, tile, inner) to (outer, extent, inner): the transpose of `inputs_to_points`.

        Contributions of overlapping tiles to one input are added.
        """
        matrix = _matrices(self.outputs).inputs
        # The first and the last input of a tile belong to its neighbours, and touch one point each.
        x = self._from_points(points, points.new_tensor(matrix).T[1:-1])
        last_of_tiles, firsts = x[:, self.outputs - 1 :: self.outputs], x[:, self.outputs :: self.outputs]
        last_of_tiles[:, : self.count - 1].add_(points[0, :, 1:], alpha=matrix[0][0])
        firsts.add_(points[-1, :, :-1], alpha=matrix[-1][-1])
        return x

    def weights_to_points(self, weight: Tensor) -> Tensor:
        """Transform (outer, 3, inner) to (point, outer, inner)."""
        return (weight.new_tensor(_matrices(self.outputs).weights) @ weight).transpose(0, 1).contiguous()

    def points_to_weights(self, points: Tensor) -> Tensor:
        """Transform (point, outer, inner) to (outer, 3, inner): the transpose of `weights_to_points`."""
        return points.new_tensor(_matrices(self.outputs).weights).T @ points.transpose(0, 1)

    def _tiles(self) -> list[_Tile]:
        tiles = []
        for start in range(0, self.extent, self.outputs):
            low, high = max(start - 1, 0), min(start - 1 + self.points, self.extent)
            end = min(start + self.outputs, self.extent)
            places = slice(low - (start - 1), high - (start - 1))
            tiles.append(_Tile(slice(low, high), places, slice(start, end), slice(0, end - start)))
        return tiles

    def _to_points(self, image: Tensor, matrix: Tensor, tiles: list[tuple[slice, slice]]) -> Tensor:
        """Transform each tile: a slice of the image, with the slice of the matrix's columns."""
        outer, _, inner = image.shape
        points = image.new_empty(self.points, outer, len(tiles), inner)
        for (elements, places), target in zip(tiles, _per_tile(points), strict=True):
            torch.bmm(_repeat(matrix[:, places], outer), image[:, elements], out=target)
        return points

    def _from_points(self, points: Tensor, matrix: Tensor, part: slice = _ALL, image: Tensor | None = None) -> Tensor:
        """Transform each tile to the outputs that lie inside the image."""
        _, outer, _, inner = points.shape
        if image is None:
            image = points.new_empty(outer, self.extent, inner)
        for tile, source in zip(self._tiles()[part], _per_tile(points), strict=True):
            torch.bmm(_repeat(matrix[tile.output_places], outer), source, out=image[:, tile.outputs])
        return image


class _Matrices(NamedTuple):
    """The matrices of the rule: outputs = outputs @ ((weights @ kernel) * (inputs @ tile)), @ is the matrix product."""

    inputs: tuple[tuple[float, ...], ...]
    weights: tuple[tuple[float, ...], ...]
    outputs: tuple[tuple[float, ...], ...]


@cache
def _matrices(outputs: int) -> _Matrices:
    """Return the matrices of Cook and Toom's method.

    The method is transposed from multiplying polynomials to filtering (Winograd 1980).
    """
    numbers = _NUMBERS[: outputs + 1]
    lagrange = [_product_of_roots(numbers[:i] + numbers[i + 1 :]) for i in range(len(numbers))]
    at_number = [prod(a - b for b in numbers if b != a) for a in numbers]
    inputs = [[*row, Fraction(0)] for row in lagrange] + [_product_of_roots(numbers)]
    weights = [[a**k / scale for k in range(TAPS)] for a, scale in zip(numbers, at_number, strict=True)]
    last = [[a**k for a in numbers] for k in range(outputs)]
    return _Matrices(
        _floats(inputs),
        _floats([*weights, [Fraction(k == TAPS - 1) for k in range(TAPS)]]),
        _floats([[*row, Fraction(k == outputs - 1)] for k, row in enumerate(last)]),
    )


def _product_of_roots(roots: tuple[Fraction, ...]) -> list[Fraction]:
    """Return the coefficients of the polynomial with these roots, constant first."""
    polynomial = [Fraction(1)]
    for root in roots:
        shifted, scaled = [Fraction(0), *polynomial], [*(root * c for c in polynomial), Fraction(0)]
        polynomial = [a - b for a, b in zip(shifted, scaled, strict=True)]
    return polynomial


def _floats(rows: list[list[Fraction]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(map(float, row)) for row in rows)


def _per_tile(points: Tensor) -> tuple[Tensor, ...]:
    """Return one view (outer, point, inner) per tile."""
    return points.permute(2, 1, 0, 3).unbind()


def _repeat(matrix: Tensor, batch: int) -> Tensor:
    return matrix.expand(batch, *matrix.shape)
