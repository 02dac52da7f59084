import pytest
import torch
from safetensors.torch import load_file

from nnplug.errors import InvalidFile
from nnplug_nnunet.training.checkpoint import TrainingProgress, load_state, save_state, save_weights


def test_dice_is_smoothed_and_the_best_remembered():
    first = TrainingProgress().after(0.5)
    assert (first.epoch, first.smoothed_dice, first.is_best) == (1, 0.5, True)
    worse = first.as_best().after(0.0)
    assert worse.smoothed_dice == pytest.approx(0.45)
    assert not worse.is_best
    assert worse.after(1.0).is_best


def test_state_round_trip(tmp_path):
    network = torch.nn.Linear(2, 2)
    save_state(tmp_path / "state.pt", network, {"optimizer": {"lr": 0.1}}, TrainingProgress(3, 0.4, 0.5))
    state = load_state(tmp_path / "state.pt", torch.device("cpu"))
    assert TrainingProgress(**state["position"]) == TrainingProgress(3, 0.4, 0.5)
    assert torch.equal(state["network"]["weight"], network.weight)


def test_damaged_state_is_named_with_the_remedy(tmp_path):
    path = tmp_path / "state.pt"
    path.write_bytes(b"no state")
    with pytest.raises(InvalidFile, match=r"state.pt: damaged, .*Train it again from the start"):
        load_state(path, torch.device("cpu"))


def test_state_never_runs_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"position": Evil()}, tmp_path / "state.pt")
    with pytest.raises(InvalidFile):
        load_state(tmp_path / "state.pt", torch.device("cpu"))
    assert not (tmp_path / "ran").exists()


def test_weights_are_plain_tensors_in_memory_order(tmp_path):
    network = torch.nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
    save_weights(network, tmp_path / "w.safetensors")
    assert torch.equal(load_file(tmp_path / "w.safetensors")["weight"], network.weight)
