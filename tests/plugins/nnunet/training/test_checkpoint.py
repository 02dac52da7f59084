from copy import deepcopy

import pytest
import torch
from safetensors.torch import load_file

from nnplug.errors import InvalidFile
from nnplug_nnunet.training.checkpoint import TrainingProgress, load_optimizer, load_state, save_state, save_weights
from nnplug_nnunet.training.collapse import ClassSearch
from nnplug_nnunet.training.schedule import make_optimizer


def test_dice_is_smoothed_and_the_best_remembered():
    first = TrainingProgress().after(0.5)
    assert (first.epoch, first.smoothed_dice, first.is_best) == (1, 0.5, True)
    worse = first.as_best().after(0.0)
    assert worse.smoothed_dice == pytest.approx(0.45)
    assert not worse.is_best
    assert worse.after(1.0).is_best


def test_state_round_trip(tmp_path):
    network = torch.nn.Linear(2, 2)
    progress = TrainingProgress(3, 0.4, 0.5, search=ClassSearch((3, 2), (0, 2), (0.0, 0.01), noticed=2))
    save_state(tmp_path / "state.pt", network, {"optimizer": {"lr": 0.1}}, progress)
    state = load_state(tmp_path / "state.pt")
    assert TrainingProgress.restored(state["position"]) == progress
    assert torch.equal(state["network"]["weight"], network.weight)


def test_damaged_state_is_named_with_the_remedy(tmp_path):
    path = tmp_path / "state.pt"
    path.write_bytes(b"no state")
    with pytest.raises(InvalidFile, match=r"state.pt: damaged, but .* Delete .* to train it again from the start"):
        load_state(path)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), PermissionError(13, "denied"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9")],
)
def test_a_state_that_cannot_be_read_now_is_not_called_damaged(tmp_path, monkeypatch, error):
    save_state(tmp_path / "state.pt", torch.nn.Linear(2, 2), {}, TrainingProgress())

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises((MemoryError, PermissionError)):
        load_state(tmp_path / "state.pt")


def steps(layer, optimizer, count):
    for number in range(count):
        for parameter in layer.parameters():
            gradient = torch.arange(1.0, 1 + parameter.numel()).view(parameter.shape) * (number + 1)
            parameter.grad = torch.empty_like(parameter).copy_(gradient)  # as backward gives it
        optimizer.step()


@pytest.mark.parametrize("name", ["sgd", "adamw", "adan"])
def test_an_optimizer_goes_on_where_the_weights_have_another_order_of_memory(name):
    def make(order):
        torch.manual_seed(0)
        layer = torch.nn.Conv2d(2, 3, 3).to(memory_format=order)
        return layer, make_optimizer(name, layer.parameters(), lr=0.01, momentum=0.9, weight_decay=0)

    (whole, optimizer), (other, resumed) = make(torch.contiguous_format), make(torch.channels_last)
    steps(whole, optimizer, 2)
    other.load_state_dict(whole.state_dict())
    load_optimizer(resumed, deepcopy(optimizer.state_dict()))
    steps(whole, optimizer, 2)
    steps(other, resumed, 2)
    assert torch.allclose(other.weight, whole.weight)
    assert all(a.stride() == other.weight.stride() for a in resumed.state[other.weight].values() if a.ndim)


@pytest.fixture
def poisoned_memory():
    """Fill new tensors with NaN, as memory of the GPU may be."""
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("poisoned_memory")
def test_momentum_is_defined_if_the_first_step_is_skipped_because_of_an_overflow():
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = make_optimizer("sgd", [weight], lr=0.1, momentum=0.9, weight_decay=0)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    for gradient in (float("inf"), 1.0):
        weight.grad = scaler.scale(torch.full((3,), gradient))
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    assert weight.tolist() == pytest.approx([1 - 0.1 * 1.9] * 3)


def test_state_never_runs_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"position": Evil()}, tmp_path / "state.pt")
    with pytest.raises(InvalidFile):
        load_state(tmp_path / "state.pt")
    assert not (tmp_path / "ran").exists()


def test_weights_are_plain_tensors_in_memory_order(tmp_path):
    network = torch.nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
    save_weights(network, tmp_path / "w.safetensors")
    assert torch.equal(load_file(tmp_path / "w.safetensors")["weight"], network.weight)


@pytest.mark.parametrize(
    "state",
    [
        {"position": {}},
        [1],
        {"network": {}},
        {"optimizer": {}, "position": {"bes4_epoch": 1}},
        {"optimizer": {}, "position": {"epoch": "1"}},
        {"optimizer": {}, "position": {"search": {"withou7": (1,)}}},
        {"optimizer": {}, "position": [1]},
    ],
)
def test_a_state_without_its_parts_is_damaged(state, tmp_path):
    torch.save(state, tmp_path / "state.pt")
    with pytest.raises(InvalidFile, match=r"state\.pt: damaged, but the training resumes from it"):
        load_state(tmp_path / "state.pt")


def test_a_place_before_the_start_of_the_file_is_no_fault_of_the_disk(tmp_path, monkeypatch):
    """To seek there fails with EINVAL: the directory of the archive is damaged."""
    save_state(tmp_path / "state.pt", torch.nn.Linear(2, 2), {"optimizer": {}}, TrainingProgress())

    def fail(*_, **__):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(torch, "load", fail)
    with pytest.raises(InvalidFile, match=r"state\.pt: damaged"):
        load_state(tmp_path / "state.pt")
