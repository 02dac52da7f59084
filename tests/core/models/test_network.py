"""What a model's network gives, whole and with its last layer apart."""

from __future__ import annotations

import pytest
import torch

from nnplug.models.model_components import components_of
from nnplug.models.network import MemberNetwork
from nnplug.runtime.progress import Silent

CPU = torch.device("cpu")
FEATURES = 4  # of the networks of `make_model`
MANY = {"background": 0, **{f"organ {value}": value for value in range(1, FEATURES + 3)}}


@pytest.fixture
def load(make_model, plugins):
    def make(**fields):
        model = make_model(**fields)
        return model, MemberNetwork(model, components_of(model, plugins, Silent()), CPU, Silent())

    return make


@torch.no_grad()
def test_of_more_classes_than_features_the_features_are_averaged(load):
    model, network = load(labels=MANY)
    averaged = network.averages(model.weights)
    assert averaged.channels == FEATURES
    windows = torch.randn(2, 1, 8, 8, 8)
    (features,) = (compute(windows) for compute in averaged.networks)
    assert features.shape == (2, FEATURES, 8, 8, 8)
    logits = torch.stack([averaged.to_logits(plane) for plane in features.mean(0).unbind(1)], 1)
    torch.testing.assert_close(logits, network(model.weights[0], windows).mean(0), rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("fields", [{}, {"labels": MANY, "folds": 2}])
def test_of_few_classes_or_several_folds_the_logits_are_averaged(load, fields):
    model, network = load(**fields)
    averaged = network.averages(model.weights)
    assert averaged.channels == model.description.labels.outputs
    windows = torch.randn(1, 1, 8, 8, 8)
    for weights, compute in zip(model.weights, averaged.networks, strict=True):
        logits = compute(windows)
        assert torch.equal(logits, network(weights, windows))
        assert torch.equal(averaged.to_logits(logits[0, :, 3]), logits[0, :, 3])
