"""The losses of docs/examples: values that can be calculated by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nnplug.contracts import LossContext
from nnplug.dataset.labels import Labels

SOURCE = Path(__file__).parents[2] / "docs" / "examples" / "nnplug-losses" / "src"
CLASSES = Labels.from_data({"background": 0, "vessel": 1}, None, "test")
IGNORE = Labels.from_data({"background": 0, "vessel": 1, "ignore": 2}, None, "test")
REGIONS = Labels.from_data({"background": 0, "whole": [1, 2], "core": [2]}, [1, 2], "test")
SURE = 40.0


@pytest.fixture(autouse=True)
def source(monkeypatch):
    monkeypatch.syspath_prepend(SOURCE)


def sure(label, labels=CLASSES):
    """Logits of a network that predicts this label map (B, 1, ..) with certainty."""
    values = labels.foreground if labels.has_regions else [(0,), (1,)]
    return torch.cat([torch.isin(label, torch.tensor(v)) for v in values], 1).float() * 2 * SURE - SURE


def line(length, size=9):
    """A horizontal tube of width 3, (1, 1, size, size), in the middle rows."""
    label = torch.zeros(1, 1, size, size, dtype=torch.int16)
    label[..., 3:6, :length] = 1
    return label


def test_focal_tversky_is_the_power_of_the_index():
    from nnplug_losses.tversky import FocalTversky

    target, found = line(8), line(4)  # 24 voxels, of which 12 are found and none is wrong
    loss = FocalTversky(alpha=0.7, beta=0.3, gamma=2).bind(LossContext(CLASSES, batch_dice=False))
    assert float(loss(sure(found), target)) == pytest.approx((1 - 12 / (12 + 0.7 * 12)) ** 0.5, rel=1e-4)
    assert float(loss(sure(target), found)) == pytest.approx((1 - 12 / (12 + 0.3 * 12)) ** 0.5, rel=1e-4)
    assert float(loss(sure(target), target)) < 2e-3


def test_batch_dice_sums_over_the_batch_before_the_index():
    from nnplug_losses.tversky import FocalTversky

    target = torch.cat([line(8), line(4)])
    found = torch.cat([line(4), line(4)])
    made = FocalTversky(alpha=0.5, beta=0.5, gamma=1)
    alone, together = (
        made.bind(LossContext(CLASSES, batch_dice=batch))(sure(found), target) for batch in (False, True)
    )
    assert float(alone) == pytest.approx((1 - 12 / 18) / 2, rel=1e-3)
    assert float(together) == pytest.approx(1 - 24 / 30, rel=1e-3)


@pytest.mark.parametrize("axes", [2, 3])
def test_the_skeleton_of_a_tube_is_its_centreline(axes):
    from nnplug_losses.cldice import soft_skeleton

    tube = torch.zeros(1, 1, *(9,) * axes)
    tube[(..., *[slice(3, 6)] * (axes - 1), slice(None))] = 1
    centre = torch.zeros_like(tube)
    centre[(..., *[4] * (axes - 1), slice(None))] = 1
    assert torch.equal(soft_skeleton(tube, 3), centre)


def test_a_break_costs_more_in_cldice_than_in_dice():
    from nnplug_losses.cldice import ClDice

    target = line(9)
    broken, thinner = target.clone(), target.clone()
    broken[..., 3:6, 4] = 0
    thinner[..., 3, :3] = 0  # as many voxels
    context = LossContext(CLASSES, batch_dice=False)
    centre, overlap = ClDice(share=1, iterations=3).bind(context), ClDice(share=0).bind(context)
    assert float(overlap(sure(broken), target)) == pytest.approx(float(overlap(sure(thinner), target)))
    # the centreline of 9 voxels loses one; what is left lies inside the target
    assert float(centre(sure(broken), target)) == pytest.approx(1 - 2 * (8 / 9) / (1 + 8 / 9), rel=1e-3)
    assert float(centre(sure(target), target)) == pytest.approx(0, abs=1e-4)


def test_the_distance_to_a_boundary_counts_voxels():
    from nnplug_losses.boundary import boundary_distance

    target = torch.tensor([0, 0, 0, 1, 1, 1, 1, 2]).expand(1, 1, 3, 8)
    counted = target != 2
    distance = boundary_distance(target, counted, limit=3)
    assert distance[0, 0, 1].tolist() == [2, 1, 0, 0, 1, 2, 3, 3], "the ignored voxel has no boundary"
    assert boundary_distance(torch.zeros_like(target), counted, limit=3).unique().tolist() == [3]


def test_entropy_near_a_boundary_has_the_larger_weight():
    from nnplug_losses.boundary import BoundaryEntropy

    target = torch.zeros(1, 1, 1, 20, dtype=torch.int16)
    target[..., 10:] = 1
    loss = BoundaryEntropy(weight=5, width=1).bind(LossContext(CLASSES, batch_dice=False))
    logits = torch.zeros(1, 2, 1, 20)
    weights = 1 + 5 * torch.exp(-torch.tensor([*range(9, -1, -1), *range(10)]).clamp(max=4).square() / 2)
    dice = 1 - 2 * 0.5 * 10 / (0.5 * 20 + 10)
    assert float(loss(logits, target)) == pytest.approx(dice + float(torch.tensor(2.0).log()), rel=1e-4)
    logits[..., 9] = torch.tensor([-SURE, SURE])[:, None]  # wrong beside the boundary
    wrong = float((weights[9] * 2 * SURE + (weights.sum() - weights[9]) * torch.tensor(2.0).log()) / weights.sum())
    both, either = 2 * 0.5 * 10, 0.5 * 19 + 1 + 10
    assert float(loss(logits, target)) == pytest.approx(1 - both / either + wrong, rel=1e-4)


def losses():
    from nnplug_losses.boundary import BoundaryEntropy
    from nnplug_losses.cldice import ClDice
    from nnplug_losses.tversky import FocalTversky

    return [FocalTversky(), ClDice(iterations=2), BoundaryEntropy()]


@pytest.mark.parametrize("number", range(3))
def test_ignored_voxels_do_not_count_and_regions_overlap(number):
    made = losses()[number]
    target = line(9)
    target[..., 7:, :] = 2
    loss = made.bind(LossContext(IGNORE, batch_dice=False))
    logits = torch.randn(1, 2, 9, 9, generator=torch.Generator().manual_seed(0))
    changed = torch.where(target == 2, -logits, logits)
    assert float(loss(logits, target)) == pytest.approx(float(loss(changed, target)), rel=1e-6)

    target[..., 7:, :] = 0
    target[..., 3:6, 5:] = 2
    both = made.bind(LossContext(REGIONS, batch_dice=False))
    right, core_only = sure(target, REGIONS), sure(target, REGIONS)
    core_only[:, 0] = core_only[:, 1]
    assert float(both(right, target)) < float(both(core_only, target))


@pytest.mark.parametrize(
    ("number", "option", "message"),
    [
        (0, {"gamma": 0}, "alpha is 0.7, beta 0.3, gamma 0"),
        (1, {"share": 2}, "share is 2, iterations 2"),
        (2, {"width": 0}, "weight is 5.0, width 0"),
    ],
)
def test_options_out_of_range_are_refused(number, option, message):
    from dataclasses import replace

    with pytest.raises(ValueError, match=message):
        replace(losses()[number], **option)
