"""The choice of device, precision and memory format, on machines that this one pretends to be."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from nnplug.errors import NnplugError
from nnplug.runtime import device as module
from nnplug.runtime.device import (
    GIGABYTE,
    autocast,
    autocast_dtype,
    choose_device,
    fixed_shapes,
    free_memory,
    memory_budget,
    memory_format,
    peak_memory,
    prediction_dtype,
)

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


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of 9 GB of which this process holds 3 and uses 1, and the share of it that the process may take."""
    shares = [1.0]
    monkeypatch.setattr(module.torch.cuda, "mem_get_info", lambda _: (5 * GIGABYTE, 9 * GIGABYTE))
    monkeypatch.setattr(module.torch.cuda, "memory_reserved", lambda _: 3 * GIGABYTE)
    monkeypatch.setattr(module.torch.cuda, "memory_allocated", lambda _: GIGABYTE)
    monkeypatch.setattr(module.torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(module.torch.cuda, "get_per_process_memory_fraction", lambda _: shares[-1], raising=False)
    monkeypatch.setattr(module.torch.cuda, "set_per_process_memory_fraction", lambda share, _: shares.append(share))
    return shares


def test_free_memory_is_known_on_cuda_only_and_counts_the_reserve_of_pytorch(gpu):
    assert free_memory(CUDA) == 7 * GIGABYTE
    assert free_memory(CPU) is None


def test_a_budget_limits_the_free_memory_and_ends_with_its_block(gpu):
    with memory_budget(CUDA, 3), memory_budget(CPU, 1):
        assert gpu[-1] == pytest.approx(3 / 9)
        assert free_memory(CUDA) == pytest.approx(2 * GIGABYTE, abs=9)
        with memory_budget(CUDA, 90):
            assert gpu[-1] == 1
        assert gpu[-1] == pytest.approx(3 / 9)
    assert gpu[-1] == 1
    with memory_budget(CUDA, None):
        assert len(gpu) == 5, "nothing is set"


def test_a_budget_ends_with_an_error_too(gpu):
    def fails():
        with memory_budget(CUDA, 3):
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert gpu[-1] == 1


def test_a_budget_is_ignored_by_a_pytorch_that_does_not_tell_it(gpu, monkeypatch):
    monkeypatch.delattr(module.torch.cuda, "get_per_process_memory_fraction")
    with memory_budget(CUDA, 3):
        assert free_memory(CUDA) == 7 * GIGABYTE
    assert gpu[-1] == 1


def test_prediction_on_cuda_has_the_precision_of_the_training(monkeypatch):
    supported = [True]
    monkeypatch.setattr(module.torch.cuda, "is_bf16_supported", lambda **_: supported[0])
    half = {None: torch.float16, "float16": torch.float16, "bfloat16": torch.bfloat16, "float32": None}
    assert {trained: prediction_dtype(CUDA, trained) for trained in half} == half
    assert {prediction_dtype(CPU, trained) for trained in half} == {None}
    supported[0] = False
    assert prediction_dtype(CUDA, "bfloat16") is None


def test_the_growth_of_memory_is_measured_while_work_runs(gpu, monkeypatch):
    called = []
    monkeypatch.setattr(module.torch.cuda, "reset_peak_memory_stats", lambda _: called.append("reset"))
    monkeypatch.setattr(module.torch.cuda, "max_memory_allocated", lambda _: 4 * GIGABYTE)
    assert peak_memory(CUDA, lambda: called.append("work")) == 3 * GIGABYTE
    assert called == ["reset", "work"]
    assert peak_memory(CPU, lambda: called.append("on a CPU")) == 0
    assert called[-1] == "on a CPU"
