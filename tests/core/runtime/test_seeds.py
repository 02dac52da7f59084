from __future__ import annotations

import torch

from nnplug.runtime.seeds import keep_random_state


def test_who_seeds_inside_does_not_change_what_is_drawn_afterwards():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with keep_random_state(torch.device("cpu")):
        torch.manual_seed(2)
        torch.rand(5)
    assert torch.equal(torch.rand(3), expected)


def test_a_gpu_has_a_state_of_its_own(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.random, "fork_rng", asked.append)
    gpu = torch.device("cuda:1")
    keep_random_state(gpu)
    assert asked == [[gpu]]
