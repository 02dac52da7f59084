"""Compiling: when it is wanted, that it changes nothing, and that a compiler that fails stops no training."""

from __future__ import annotations

import pytest
import torch

from nnplug.testing.trainings import Setting, make_task
from nnplug_nnunet.training import compiling, loop, parts
from nnplug_nnunet.training.compiling import WORTH, compiled, is_wanted
from nnplug_nnunet.training.trainer import NnUNetTrainer

CUDA = torch.device("cuda")
SHAPE = (2, 1, 8, 8)


class Network(torch.nn.Module):
    """Two resolutions in training, the finer one in evaluation; batch norm has buffers."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.BatchNorm2d(3))

    def forward(self, image):
        logits = self.layers(image)
        return [logits, logits[..., ::2, ::2]] if self.training else logits


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Network()


def test_it_is_wanted_for_long_trainings_on_a_gpu():
    cuda, cpu = torch.device("cuda"), torch.device("cpu")
    assert is_wanted("auto", cuda, WORTH)
    assert not is_wanted("auto", cuda, WORTH - 1)
    assert not is_wanted("auto", cpu, 10 * WORTH)
    assert is_wanted("always", cpu, 1)
    assert not is_wanted("never", cuda, 10 * WORTH)


def test_a_compiled_network_gives_the_same_and_is_left_as_it_was(network, monkeypatch):
    backend = torch.compile
    monkeypatch.setattr(compiling.torch, "compile", lambda n: backend(n, backend="aot_eager"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    said = []
    fast = compiled(network, SHAPE, dtype=None, notice=said.append)
    assert (said, fast is network) == ([], False)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    image = torch.randn(SHAPE)
    network.eval()
    torch.testing.assert_close(fast(image), network(image))


@pytest.mark.parametrize("when", ["compiling", "computing"])
def test_where_the_compiler_fails_the_network_computes_as_it_is(network, monkeypatch, when):
    def fail(*_):
        raise RuntimeError("no triton\nand many lines more")

    monkeypatch.setattr(compiling.torch, "compile", fail if when == "compiling" else lambda _: fail)
    said = []
    assert compiled(network, SHAPE, dtype=None, notice=said.append) is network
    assert said == ["torch.compile does not work here (no triton); the training continues without it"]


def test_without_a_compiler_a_training_keeps_the_order_of_memory_of_its_layers(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("Cannot find a working triton installation")

    notices, order = [], parts.memory_format
    monkeypatch.setattr(compiling.torch, "compile", fail)
    monkeypatch.setattr(parts, "memory_format", lambda _, axes, compiled: order(CUDA, axes, compiled=compiled))
    task = make_task(tmp_path, Setting(axes=3))
    monkeypatch.setattr(type(task.progress), "notice", lambda _, text: notices.append(text))
    training = loop.Training(NnUNetTrainer(epochs=1, compile="always"), task)
    assert all(parameter.is_contiguous() for parameter in training.network.parameters())
    assert training.state.compute is training.network
    (told,) = notices
    assert told.startswith("torch.compile does not work here (Cannot find a working triton installation); the training")
