"""Tiles of minimal filtering: exact as mathematics, and fewer multiplications than the definition."""

import pytest
import torch

from nnplug_cpu.tiling import TAPS, Tiling

SIZES = [(outputs, extent) for outputs in range(4, 9) for extent in (outputs - 1, outputs, 3 * outputs + 1)]


@pytest.mark.parametrize(("outputs", "extent"), SIZES)
def test_filters_exactly_up_to_rounding(outputs, extent):
    tiling = Tiling(extent, outputs)
    x, weight = torch.randn(2, extent, 3, dtype=torch.double), torch.randn(1, TAPS, 1, dtype=torch.double)
    products = tiling.weights_to_points(weight)[..., None] * tiling.inputs_to_points(x)
    y = torch.nn.functional.conv1d(x.movedim(-1, 1).flatten(0, 1)[:, None], weight.view(1, 1, TAPS), padding=1)
    expected = y.view(2, 3, extent).movedim(1, -1)
    torch.testing.assert_close(tiling.points_to_outputs(products), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("outputs", "extent"), SIZES)
@pytest.mark.parametrize("side", ["inputs", "outputs"])
def test_transposes(outputs, extent, side):
    tiling = Tiling(extent, outputs)
    there, back = {
        "inputs": (tiling.inputs_to_points, tiling.points_to_inputs),
        "outputs": (tiling.outputs_to_points, tiling.points_to_outputs),
    }[side]
    x = torch.randn(2, extent, 3, dtype=torch.double)
    points = there(x)
    other = torch.randn_like(points)
    torch.testing.assert_close((points * other).sum(), (x * back(other)).sum())


@pytest.mark.parametrize("extent", [5, 10, 20, 40, 56, 128])
def test_the_best_tiling_halves_the_multiplications(extent):
    tiling = Tiling.best(extent)
    assert tiling is not None
    assert tiling.points * tiling.count < 0.5 * TAPS * extent


def test_an_axis_too_short_is_left_to_the_definition():
    assert Tiling.best(1) is None
    assert Tiling.best(3) is None
