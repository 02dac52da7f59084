"""The memory of tensors without numbers is that of real ones."""

from __future__ import annotations

import pytest
import torch

from nnplug.profiling.memory.counting import counted_memory

MEGABYTE = 1 << 20


def megabytes(count):
    return torch.zeros(count * MEGABYTE // 4)


def test_memory_is_counted_until_it_is_released():
    with counted_memory() as memory:
        kept = megabytes(3)
        view = kept[:10].view(2, 5)
        peak = memory.peak_of(lambda: megabytes(4).add_(1) + 1)
        assert (memory.now, peak) == (3 * MEGABYTE, 11 * MEGABYTE)
        del kept
        assert memory.now == 3 * MEGABYTE, "a view holds the memory"
        del view
        assert memory.now == 0


def test_a_backward_pass_is_counted():
    with counted_memory() as memory:
        weight = torch.nn.Parameter(megabytes(1))
        loss = (weight * weight).exp().sum()
        assert memory.now == 2 * MEGABYTE + 512, "the weight, the result that exp keeps, and the loss"
        torch.autograd.backward(loss)
        del loss
        assert memory.now == 2 * MEGABYTE
        weight.grad = None
        torch.optim.SGD([weight], lr=0.1, momentum=0.9, fused=True).step()


def test_values_that_code_reads_let_checks_pass():
    with counted_memory():
        assert bool(megabytes(1).isfinite().all())
        assert (int(megabytes(1).long().max()), float(megabytes(1).sum())) == (1, 1.0)


def test_outside_the_block_tensors_have_numbers():
    with counted_memory():
        pass
    assert torch.ones(2).sum().item() == pytest.approx(2)
