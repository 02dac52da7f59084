"""A start: a bundle with weights for a part of a network, which trains and does not predict."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from nnplug.contracts import Architecture
from nnplug.errors import NnplugError
from nnplug.models.bundle import Contents, contents_of, pack, read_bundle
from nnplug.models.open import open_member, open_model
from nnplug.models.pretrained import describe_pretrained, load_pretrained
from nnplug.models.start import Start
from nnplug.workspace.runs import open_run

ORIGIN = Start(source="a.pth", sha256="0" * 64, citations=("A paper",))


class Small(Architecture):
    """An encoder, a decoder and a head of `outputs` channels."""

    def build(self, *, channels, outputs):
        parts = {"encoder": torch.nn.Linear(channels, 2), "decoder": torch.nn.Linear(2, 2)}
        return torch.nn.ModuleDict({**parts, "head": torch.nn.Linear(2, outputs)})


def write(make_run, target, weights, start=ORIGIN):
    contents: Contents = contents_of([open_run(make_run(0).path)], "final")
    pack(replace(contents, folds={"all": lambda path: save_file(weights, path)}, start=start), target)
    return target


def load(target):
    torch.manual_seed(3)
    network = Small().build(channels=1, outputs=4)
    before = {name: one.clone() for name, one in network.state_dict().items()}
    return network.state_dict(), before, load_pretrained(network, Small(), target, channels=1, outputs=4)


@pytest.mark.parametrize("name", ["start", "start.zip"])
def test_the_parameters_that_it_lacks_keep_their_weights(make_run, tmp_path, name):
    encoder = {"encoder.weight": torch.full((2, 1), 7.0), "encoder.bias": torch.full((2,), 8.0)}
    after, before, kept = load(write(make_run, tmp_path / name, encoder))
    assert all(torch.equal(after[one], encoder.get(one, before[one])) for one in after)
    assert set(kept) == after.keys() - encoder.keys()


def test_weights_of_another_shape_or_name_are_refused(make_run, tmp_path):
    with pytest.raises(NnplugError, match=r"encoder.weight is \(2, 9\) instead of \(2, 1\)"):
        load(write(make_run, tmp_path / "a", {"encoder.weight": torch.zeros(2, 9)}))
    with pytest.raises(NnplugError, match=r"stem.weight has no place"):
        load(write(make_run, tmp_path / "b", {"stem.weight": torch.zeros(2)}))


def test_a_trained_model_has_to_be_whole(make_run, tmp_path):
    with pytest.raises(NnplugError, match="decoder.bias is missing"):
        load(write(make_run, tmp_path / "a", {"encoder.weight": torch.zeros(2, 1)}, start=None))
    assert "start" not in json.loads((tmp_path / "a" / "bundle.json").read_text())


def test_the_citations_are_recorded(make_run, tmp_path):
    target = write(make_run, tmp_path / "a.zip", {"encoder.weight": torch.zeros(2, 1)})
    assert describe_pretrained(target).citations == ("A paper",)
    assert open_member(target).start == ORIGIN
    assert describe_pretrained(make_run(1).path).citations is None


def test_it_is_no_model(make_run, tmp_path):
    target = write(make_run, tmp_path / "a", {"encoder.weight": torch.zeros(2, 1)})
    assert read_bundle(target).record.start == ORIGIN
    with pytest.raises(
        NnplugError, match="a: is the start of a training, with weights of a part of the network. Train"
    ):
        open_model(target)
    with pytest.raises(NnplugError, match="is the start of a training"):
        open_model(make_run(0).path, target)
