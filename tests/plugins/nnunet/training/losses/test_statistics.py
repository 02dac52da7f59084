"""The closed gradients of a loss's sums and cross-entropies are those of the sums and cross-entropies."""

from __future__ import annotations

import pytest
import torch

from nnplug_nnunet.training.losses.statistics import class_statistics, region_statistics

SIZE = (2, 3, 2, 3, 2)


@pytest.fixture(params=[None, torch.float64], ids=["masks", "zeros and ones"])
def target(request):
    """Labels, the same as masks, and the voxels that count."""
    draw = torch.Generator().manual_seed(0)
    labels = torch.randint(0, SIZE[1], (2, 1, *SIZE[2:]), generator=draw)
    masks = labels == torch.arange(SIZE[1]).view(-1, 1, 1, 1)
    valid = torch.rand(labels.shape, generator=draw) > 0.3
    return labels, masks if request.param is None else masks.to(request.param), valid


@pytest.fixture
def logits():
    return (3 * torch.randn(SIZE, generator=torch.Generator().manual_seed(1))).double().requires_grad_()


@pytest.mark.parametrize("ignores", [False, True])
def test_of_classes(target, logits, ignores):
    labels, masks, valid = target
    counted = valid if ignores else None
    assert torch.autograd.gradcheck(lambda z: class_statistics(z, labels, masks, counted), logits)
    cross_entropy, overlap, predicted = class_statistics(logits, labels, masks, counted)
    probabilities = logits.softmax(1) * (valid if ignores else 1)
    torch.testing.assert_close(cross_entropy, torch.nn.functional.cross_entropy(logits, labels[:, 0], reduction="none"))
    torch.testing.assert_close(overlap, (probabilities * masks).sum((2, 3, 4)))
    torch.testing.assert_close(predicted, probabilities.sum((2, 3, 4)))


@pytest.mark.parametrize("ignores", [False, True])
def test_of_regions(target, logits, ignores):
    _, masks, valid = target
    counted = valid if ignores else None
    assert torch.autograd.gradcheck(lambda z: region_statistics(z, masks, counted), logits)
    cross_entropy, overlap, predicted = region_statistics(logits, masks, counted)
    probabilities = logits.sigmoid() * (valid if ignores else 1)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, masks.double(), reduction="none")
    torch.testing.assert_close(cross_entropy, expected)
    torch.testing.assert_close(overlap, (probabilities * masks).sum((2, 3, 4)))
    torch.testing.assert_close(predicted, probabilities.sum((2, 3, 4)))


@pytest.mark.parametrize("statistics", [class_statistics, region_statistics])
def test_confident_logits_have_finite_gradients(target, statistics):
    labels, masks, _ = target
    sure = torch.where(masks > 0, -200.0, 200.0).requires_grad_()
    given = (labels, masks) if statistics is class_statistics else (masks,)
    cross_entropy, overlap, predicted = statistics(sure, *given, None)
    (cross_entropy.mean() + overlap.sum() + predicted.sum()).backward()
    assert torch.isfinite(sure.grad).all()
    assert float(cross_entropy.detach().max()) == pytest.approx(400 if statistics is class_statistics else 200, abs=1)
