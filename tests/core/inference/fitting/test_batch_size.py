"""The number of windows that go through the network together."""

from __future__ import annotations

import msgspec
import pytest
import torch

from nnplug.inference.fitting import batch_size as module
from nnplug.inference.fitting.batch_size import windows_per_pass

GB = 1 << 30


def chosen(plans, device, network=None, outputs=3, **fields):
    configuration = msgspec.structs.replace(plans.configurations["3d_fullres"], **fields)
    return windows_per_pass(configuration, torch.device(device), channels=2, outputs=outputs, network=network)


def on_gpu(monkeypatch, *, peak, free):
    """Let one window take `peak` bytes of a GPU with `free` bytes; tensors of the GPU lie on the meta device."""
    zeros = torch.zeros
    monkeypatch.setattr(module.torch, "zeros", lambda shape, device: zeros(shape, device="meta"))
    monkeypatch.setattr(module, "peak_memory", lambda _, work: (work(), peak)[1])
    monkeypatch.setattr(module, "free_memory", lambda _: free)


@pytest.mark.parametrize(
    ("patch", "batch", "expected"), [((8, 8, 8), 2, 2), ((128, 128, 128), 2, 1), ((64, 128, 64), 9, 2)]
)
def test_a_cpu_takes_the_batch_of_the_training_or_less(plans, patch, batch, expected):
    assert chosen(plans, "cpu", patch_size=patch, batch_size=batch) == expected


@pytest.mark.parametrize(
    ("patch", "outputs", "free", "expected"),
    [
        ((128, 128, 128), 4, 78 * GB, 8),  # eight mirror images; more are not faster
        ((40, 56, 40), 3, 78 * GB, 26),  # of 1 GB each, in a third of the memory
        ((128, 128, 128), 4, 8 * GB, 2),
        ((128, 128, 128), 4, GB, 1),
        ((96, 160, 160), 105, 300 * GB, 4),  # logits of at most 2^30 numbers
    ],
)
def test_windows_fill_a_third_of_the_free_memory_of_a_gpu(plans, monkeypatch, patch, outputs, free, expected):
    on_gpu(monkeypatch, peak=GB - 8 * outputs * 40 * 56 * 40 if outputs == 3 else GB, free=free)
    shapes = []
    found = chosen(plans, "cuda", lambda x: shapes.append(x.shape), outputs, patch_size=patch, batch_size=2)
    assert found == expected
    assert shapes == [(1, 2, *patch)]


def test_another_device_takes_the_batch_of_the_training(plans):
    assert chosen(plans, "mps", patch_size=(128, 128, 128), batch_size=2) == 2
