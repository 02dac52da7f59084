"""Logits of another shape are named at once; what a trainer gets besides is its own affair."""

from __future__ import annotations

import pytest
import torch

from nnplug.contracts.attributed.logits_check import LogitsCheck
from nnplug.errors import InvalidPlugin
from nnplug.registry.attribution import Origin, tagged

IMAGE = torch.zeros(2, 1, 8, 8)
FINE, COARSE = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 4, 4)


class Architecture:
    """A component with a name."""


class Network(torch.nn.Module):
    def __init__(self, given):
        super().__init__()
        self.given = given

    def forward(self, image):
        return self.given


def call(given, *, training, image=IMAGE):
    architecture = tagged(Architecture(), Origin("architecture 'odd' from nnplug-odd 1.0", "nnplug-odd", "nnplug_odd"))
    network = Network(given)
    network.register_forward_hook(LogitsCheck(architecture, 3))
    return network.train(training)(image)


@pytest.mark.parametrize("given", [FINE, [FINE], [FINE, COARSE], (FINE, COARSE, torch.zeros(2, 5)), (FINE, "x")])
def test_logits_and_what_a_trainer_gets_besides_pass(given):
    assert call(given, training=True) is given


def test_the_logits_pass_in_evaluation_mode():
    assert call(FINE, training=False) is FINE


@pytest.mark.parametrize(
    ("given", "training", "fault"),
    [
        ([], True, "gave an empty list in training mode"),
        ({"logits": FINE}, True, "gave dict instead of one tensor of logits"),
        ([FINE[:, :2], COARSE], True, "gave logits of 2 channels; the labels need 3"),
        ([FINE, COARSE[:, :2]], True, "gave logits of 2 channels; the labels need 3"),
        ([COARSE, FINE], True, r"gave logits of \(4, 4\) voxels for a patch of \(8, 8\)"),
        ([FINE], False, "gave list instead of one tensor of logits"),
        (FINE.int(), False, r"gave logits of torch\.int32; expected floating point"),
        (COARSE, False, r"gave logits of \(4, 4\) voxels for a patch of \(8, 8\)"),
        (torch.zeros(3), False, "gave logits of 0 channels; the labels need 3"),
    ],
)
def test_other_results_are_the_architectures_fault(given, training, fault):
    with pytest.raises(InvalidPlugin, match=rf"^architecture 'odd' from nnplug-odd 1\.0 {fault}"):
        call(given, training=training)
