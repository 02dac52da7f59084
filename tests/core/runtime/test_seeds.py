from __future__ import annotations

import pytest
import torch

from nnplug.runtime.seeds import keep_random_state

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA"))]


@pytest.mark.parametrize("device", DEVICES)
def test_who_seeds_inside_does_not_change_what_is_drawn_afterwards(device):
    torch.manual_seed(1)
    expected = torch.rand(3, device=device)
    torch.manual_seed(1)
    with keep_random_state(torch.device(device)):
        torch.manual_seed(2)
        torch.rand(5, device=device)
    assert torch.equal(torch.rand(3, device=device), expected)
