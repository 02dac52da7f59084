"""The choice of device, precision and memory format, on machines that this one pretends to be."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from nnplug.errors import NnplugError
from nnplug.runtime import device as module
from nnplug.runtime.device import autocast, autocast_dtype, choose_device, fixed_shapes, free_memory, memory_format

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda"), torch.device("mps")


@pytest.fixture
def machine(monkeypatch):
    def pretend(*, cuda=False, mps=False, capabilities=None):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities or {}, raising=False)

    return pretend


@pytest.mark.parametrize(
    ("there", "expected"), [({}, "cpu"), ({"mps": True}, "mps"), ({"mps": True, "cuda": True}, "cuda")]
)
def test_auto_takes_the_fastest(machine, there, expected):
    machine(**there)
    assert choose_device("auto").type == expected
    assert choose_device(expected).type == expected
    assert choose_device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_an_absent_device_is_refused_with_what_is_there(machine, name):
    machine()
    with pytest.raises(NnplugError, match=rf"device '{name}' is not here: PyTorch .* sees cpu. Use device .auto."):
        choose_device(name)


def test_an_unknown_device_is_refused():
    with pytest.raises(NnplugError, match="no device is called 'gpu'"):
        choose_device("gpu")


def test_one_gpu_of_several_has_a_number(machine, monkeypatch):
    machine(cuda=True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(NnplugError, match="device 'cuda:2' is not here: PyTorch sees 2 GPUs"):
        choose_device("cuda:2")
    for name in ("cpu:1", "cuda:", "cuda:x"):
        with pytest.raises(NnplugError, match=f"no device is called '{name}'"):
            choose_device(name)


def test_half_precision_is_used_where_it_is_fast(machine):
    machine(capabilities={"avx2": True, "avx512_bf16": False})
    assert autocast_dtype(CPU) is None
    machine(capabilities={"avx512_bf16": True})
    assert autocast_dtype(CPU) is torch.bfloat16
    machine(capabilities={"amx_bf16": True})
    assert autocast_dtype(CPU) is torch.bfloat16
    assert autocast_dtype(CUDA) is torch.float16
    assert autocast_dtype(MPS) is None


def test_a_pytorch_that_cannot_tell_means_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert autocast_dtype(CPU) is None


def test_this_machine_is_asked_without_an_error():
    assert autocast_dtype(CPU) in (None, torch.bfloat16)


def test_autocast_is_off_without_a_dtype():
    layer, batch = torch.nn.Linear(2, 2), torch.ones(1, 2)
    with autocast(CPU, None):
        assert layer(batch).dtype == torch.float32
    with autocast(CPU, torch.bfloat16):
        assert layer(batch).dtype == torch.bfloat16


def test_channels_come_last_in_a_compiled_network_on_cuda_only():
    assert memory_format(CPU, 3, compiled=True) is torch.contiguous_format
    assert memory_format(CUDA, 3) is torch.contiguous_format
    assert memory_format(CUDA, 2, compiled=True) is torch.channels_last
    assert memory_format(CUDA, 3, compiled=True) is torch.channels_last_3d


def test_cudnn_measures_its_algorithms_for_fixed_shapes_and_not_after_them(monkeypatch):
    measured = []
    monkeypatch.setattr(torch.backends.cudnn, "flags", lambda **given: measured.append(given) or nullcontext())
    with fixed_shapes(CUDA):
        assert measured[0]["enabled"]
        assert measured[0]["benchmark"]
    with fixed_shapes(CPU):
        pass
    monkeypatch.setattr(torch, "are_deterministic_algorithms_enabled", lambda: True)
    with fixed_shapes(CUDA):
        pass
    assert len(measured) == 1


def test_free_memory_is_known_on_cuda_only_and_counts_the_reserve_of_pytorch(monkeypatch):
    monkeypatch.setattr(module.torch.cuda, "mem_get_info", lambda _: (5, 9))
    monkeypatch.setattr(module.torch.cuda, "memory_reserved", lambda _: 3)
    monkeypatch.setattr(module.torch.cuda, "memory_allocated", lambda _: 1)
    assert free_memory(CUDA) == 7
    assert free_memory(CPU) is None
