"""Frequencies of the classes in the first patches, and the biases that give them as probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from nnplug import Plugins
from nnplug.contracts import PatchPlace
from nnplug.dataset.labels import Labels
from nnplug.registry.components import Kind
from nnplug.runtime.progress import Silent
from nnplug_fast.class_bias import LEAST, begin_with_frequencies, bias_of, frequencies, logit_biases

CLASSES = {"background": 0, "a": 1, "b": 2}
REGIONS = {"background": 0, "whole": [1, 2], "core": [2]}


@dataclass(frozen=True)
class Corner:
    """Every patch is centred on one voxel of a case."""

    name: str
    centre: tuple[int, ...]

    def draw(self, sample, rng):
        return PatchPlace(self.name, self.centre)


def labels(raw, **more):
    return Labels.from_data({**raw, **more}, [1, 2] if raw is REGIONS else None, "dataset.json")


def cut_by_hand(task, centre):
    """The label map of the patch around a voxel, with background outside the case."""
    whole = task.cases["a"].label[...]
    padded = np.pad(np.maximum(whole, 0), 8)
    return padded[tuple(slice(c - 4 + 8, c + 4 + 8) for c in centre)]


@pytest.mark.parametrize("centre", [(4, 5, 4), (11, 15, 13)], ids=["inside", "far corner"])
@pytest.mark.parametrize("raw", [CLASSES, REGIONS], ids=["classes", "regions"])
def test_frequencies_are_those_of_the_patches(task_in, tmp_path, raw, centre):
    task = replace(task_in(tmp_path), labels=labels(raw))
    patch = cut_by_hand(task, centre)
    wanted = [(0,), (1,), (2,)] if raw is CLASSES else [(1, 2), (2,)]
    found = frequencies(task, Corner("a", centre))
    assert found.tolist() == pytest.approx([np.isin(patch, values).mean() for values in wanted])


def test_ignored_voxels_do_not_count(task_in, tmp_path):
    task = replace(task_in(tmp_path), labels=labels({"background": 0, "a": 1}, ignore=2))
    patch = cut_by_hand(task, (4, 5, 4))
    assert (patch == 2).any()
    found = frequencies(task, Corner("a", (4, 5, 4)))
    assert found.tolist() == pytest.approx([(patch == value).sum() / (patch != 2).sum() for value in (0, 1)])


def test_the_bias_gives_the_frequencies_and_none_is_extreme():
    shares = torch.tensor([0.9, 0.08, 0.02], dtype=torch.float64)
    torch.testing.assert_close(bias_of(shares, labels(CLASSES)).softmax(0), shares.float())
    torch.testing.assert_close(bias_of(shares[1:], labels(REGIONS)).sigmoid(), shares[1:].float())
    least = bias_of(torch.tensor([0.0, 1.0]), labels(REGIONS)).sigmoid()
    torch.testing.assert_close(least, torch.tensor([LEAST, 1 - LEAST]))


def unet(norm="instance", outputs=3):
    sizes = {"n_stages": 3, "features_per_stage": [4, 8, 8], "kernel_sizes": [[3, 3, 3]] * 3, "norm": norm}
    blocks = {
        "strides": [[1, 1, 1], *[[2, 2, 2]] * 2],
        "n_conv_per_stage": [1] * 3,
        "n_conv_per_stage_decoder": [1] * 2,
    }
    return (
        Plugins()
        .registry.create(Kind.ARCHITECTURE, "plain-conv-unet", {**sizes, **blocks})
        .build(channels=2, outputs=outputs)
    )


@pytest.mark.parametrize("raw", [CLASSES, REGIONS], ids=["classes", "regions"])
def test_every_resolution_begins_with_the_frequencies(task_in, tmp_path, raw):
    task = replace(task_in(tmp_path), labels=labels(raw))
    network, sampling = unet(outputs=task.labels.outputs), Corner("a", (4, 5, 4))
    begin_with_frequencies(task, network, sampling)
    shares = frequencies(task, sampling).clamp(LEAST, 1 - LEAST).float()
    nothing = torch.zeros(2, 2, 8, 8, 8)  # without an image the logits are the biases
    scales = network.train()(nothing)
    assert len(scales) == 2
    for logits in scales:
        chances = logits.softmax(1) if raw is CLASSES else logits.sigmoid()
        torch.testing.assert_close(chances.mean((0, 2, 3, 4)), shares, atol=1e-3, rtol=0)


def test_looking_for_the_layers_changes_nothing():
    network = unet("batch").eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert len(logit_biases(network, torch.rand(1, 2, 8, 8, 8))) == 2
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(layer._forward_hooks for layer in network.modules())


class Doubled(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv3d(2, 3, 1)

    def forward(self, image):
        return 2 * self.layer(image)


def test_logits_that_no_convolution_gives_are_told_and_left(task_in, tmp_path):
    notices, network = [], Doubled()
    progress = Silent()
    progress.notice = notices.append
    before = network.layer.bias.clone()
    begin_with_frequencies(replace(task_in(tmp_path), progress=progress), network, Corner("a", (4, 5, 4)))
    assert torch.equal(network.layer.bias, before)
    (notice,) = notices
    assert "class_bias has no effect" in notice
