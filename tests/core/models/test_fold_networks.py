"""The networks of folds: on a GPU each fold keeps its own where they fit."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from nnplug.models import fold_networks as module
from nnplug.models.fold_networks import FoldNetworks


@pytest.fixture
def files(tmp_path):
    for fold in range(3):
        save_file({"weight": torch.full((1, 4), float(fold)), "bias": torch.zeros(1)}, tmp_path / f"{fold}.safetensors")
    return [tmp_path / f"{fold}.safetensors" for fold in range(3)]


@pytest.fixture
def read(monkeypatch):
    """The names of the files that are read."""
    from nnplug.models import weights

    names, load = [], weights.load_file
    monkeypatch.setattr(weights, "load_file", lambda file: (names.append(file.stem), load(file))[1])
    return names


def networks(files, device):
    built = []

    def build():
        built.append(torch.nn.Linear(4, 1))
        return built[-1]

    return FoldNetworks(files, torch.device(device), build), built


def value(network):
    return float(network.weight[0, 0])


def test_each_fold_keeps_a_network_on_a_gpu_and_its_weights_are_read_once(files, read, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda _: 1 << 30)
    folds, built = networks(files, "cuda")
    for _ in range(2):
        assert [value(folds[file]) for file in files] == [0, 1, 2]
    assert len(built) == 3
    assert folds[files[0]] is folds.first
    assert read == ["0", "1", "2"]


@pytest.mark.parametrize(("device", "free"), [("cuda", 20), ("cpu", None)])
def test_otherwise_one_network_gets_the_weights_in_turn_from_memory(files, read, monkeypatch, device, free):
    monkeypatch.setattr(module, "free_memory", lambda _: free)
    folds, built = networks(files, device)
    for _ in range(3):
        assert [value(folds[file]) for file in files] == [0, 1, 2]
    assert len(built) == 1
    assert len(read) <= 4, "each fold once, on a GPU the first one twice"


def test_folds_beyond_the_memory_share_the_first_network(files, read, monkeypatch):
    room = [1 << 30, 20]
    monkeypatch.setattr(module, "free_memory", lambda _: room.pop(0) if len(room) > 1 else room[0])
    folds, built = networks(files, "cuda")
    for _ in range(3):
        assert [value(folds[file]) for file in files] == [0, 1, 2]
    assert len(built) == 2
    assert read.count("1") == 1
