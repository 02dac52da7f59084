"""What is read of a checkpoint, and what is refused: in one line, and without running anything."""

from __future__ import annotations

import os

import pytest
import torch

from nnplug.errors import InvalidFile
from nnplug_nnssl.checkpoint import read_pretraining

from .conftest import SMALL, UNET_KEYS, adaptation_plan, unet_state, write


def refused(path):
    with pytest.raises(InvalidFile) as found:
        read_pretraining(path)
    message = str(found.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_the_plan_the_weights_and_the_citations_are_read(unet):
    found = read_pretraining(unet.path)
    assert found.spacing == (1.0, 1.0, 1.0)
    assert found.patch_size == (16, 16, 16)
    assert found.plan.keys_to_in_proj == tuple(UNET_KEYS["keys_to_in_proj"])
    assert found.weights.keys() == unet.state.keys()
    assert found.citations == (
        "Pre-Training Method MAE: He, K. (2022). Masked autoencoders. CVPR.",
        "Dataset OpenMind: @article{openmind}",
    )


def test_the_patch_that_the_adaptation_plan_names_wins_over_that_of_the_pretraining_plan(tmp_path):
    plan = {**adaptation_plan("ResEncL", None, UNET_KEYS), "pretrain_patch_size": [8, 16, 24]}
    assert read_pretraining(write(tmp_path / "a.pth", {}, plan).path).patch_size == (8, 16, 24)


def test_citations_may_be_missing_or_plain_text(tmp_path):
    plan = adaptation_plan("ResEncL", None, UNET_KEYS)
    assert read_pretraining(write(tmp_path / "a.pth", {}, plan, citations=None).path).citations == ()
    assert read_pretraining(write(tmp_path / "b.pth", {}, plan, citations=["A paper"]).path).citations == ("A paper",)


class Harm:
    def __reduce__(self):
        return os.mkdir, (os.environ["HARM"],)


def test_a_pickle_that_would_run_code_is_refused_and_runs_none(tmp_path, monkeypatch):
    monkeypatch.setenv("HARM", str(tmp_path / "harmed"))
    write(tmp_path / "a.pth", {}, adaptation_plan("ResEncL", None, UNET_KEYS), harm=Harm())
    assert "holds posix.mkdir, which nnplug does not run" in refused(tmp_path / "a.pth")
    assert not (tmp_path / "harmed").exists()


def test_other_files_are_refused(tmp_path):
    assert "no such file" in refused(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(b"PK text")
    refused(tmp_path / "b.pth")
    torch.save([1, 2], tmp_path / "c.pth")
    assert "no checkpoint of nnssl ('network_weights' is missing)" in refused(tmp_path / "c.pth")
    torch.save({"network_weights": unet_state(), "init_args": {}}, tmp_path / "d.pth")
    assert "no checkpoint of nnssl ('nnssl_adaptation_plan' is missing)" in refused(tmp_path / "d.pth")
    write(tmp_path / "e.pth", {"a": 1}, adaptation_plan("ResEncL", None, UNET_KEYS))
    assert "network_weights holds 'a', which is no tensor" in refused(tmp_path / "e.pth")


@pytest.mark.parametrize("key", ["key_to_encoder", "architecture_plans", "recommended_downstream_patchsize"])
def test_a_missing_key_of_the_plan_is_named(tmp_path, key):
    plan = adaptation_plan("ResidualEncoderUNet", SMALL, UNET_KEYS)
    del plan[key]
    assert f"nnssl_adaptation_plan: Object missing required field '{key}'" in refused(
        write(tmp_path / "a.pth", {}, plan).path
    )


def test_a_plan_without_configuration_or_patch_is_refused(tmp_path):
    plan = adaptation_plan("ResEncL", None, UNET_KEYS)
    (configuration,) = plan["pretrain_plan"]["configurations"].values()
    del configuration["patch_size"]
    found = read_pretraining(write(tmp_path / "a.pth", {}, plan).path)
    with pytest.raises(InvalidFile, match="has no patch_size of the pre-training, which positions need"):
        found.patch_size  # noqa: B018
    plan["pretrain_plan"]["configurations"] = {}
    assert "has no configuration of the pre-training" in refused(write(tmp_path / "b.pth", {}, plan).path)
