"""Checkpoints by their name on a hub."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from nnplug.errors import NnplugError
from nnplug_nnssl.checkpoint import read_pretraining
from nnplug_nnssl.fetch import FILE, hub_reference, local_checkpoint


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The library's download, replaced by a folder of files."""
    from huggingface_hub import HfApi

    asked = []

    def download(self, repository, name, *, revision, local_dir):
        asked.append((repository, name, revision, local_dir))
        return str(tmp_path / "there.pth")

    monkeypatch.setattr(HfApi, "hf_hub_download", download)
    return asked


@pytest.mark.parametrize(
    ("text", "repository", "revision"),
    [
        ("hf:AnonRes/ResEncL-OpenMind-MAE", "AnonRes/ResEncL-OpenMind-MAE", None),
        ("hf:AnonRes/ResEncL-OpenMind-MAE@v1", "AnonRes/ResEncL-OpenMind-MAE", "v1"),
        ("https://huggingface.co/AnonRes/ResEncL-OpenMind-MAE/", "AnonRes/ResEncL-OpenMind-MAE", None),
    ],
)
def test_names_and_addresses_of_the_hub(hub, tmp_path, text, repository, revision):
    assert local_checkpoint(text) == tmp_path / "there.pth"
    local_checkpoint(text, tmp_path / "models")
    folder = tmp_path / "models" / "AnonRes_ResEncL-OpenMind-MAE"
    assert hub == [(repository, FILE, revision, None), (repository, FILE, revision, folder)]


def test_a_file_is_taken_as_it_is(unet, hub):
    assert local_checkpoint(str(unet.path)) == unet.path
    assert hub_reference(str(unet.path)) is None
    assert read_pretraining(local_checkpoint(str(unet.path))).citations
    assert hub == []


def test_what_is_neither_is_refused():
    with pytest.raises(NnplugError, match="'hf:lab' names no model"):
        local_checkpoint("hf:lab")
    with pytest.raises(NnplugError, match="nowhere.pth: no such file; give a checkpoint of nnssl, or hf:OWNER/NAME"):
        local_checkpoint("nowhere.pth")


def test_a_hub_that_does_not_answer_is_told_in_a_line(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(NnplugError, match="hf:lab/liver: is not in the cache, and the Hub is not asked or does not"):
        local_checkpoint("hf:lab/liver")


def test_a_checkpoint_is_downloaded_once_from_a_hub(unet, monkeypatch, tmp_path):
    """The library's own download, from the hub of the standard library that nnplug-hub is tested with."""
    from huggingface_hub import constants

    path = Path(__file__).parents[1] / "hub" / "fake_hub.py"
    spec = importlib.util.spec_from_file_location("fake_hub_of_nnssl", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    served = module.FakeHub()
    content = unet.path.read_bytes()
    served.commit("lab/mae", {FILE: content, "adaptation_plan.json": b"{}", "train.py": b"print()"})
    with served as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_XET_CACHE", str(tmp_path / "xet"))
        found = local_checkpoint("hf:lab/mae")
        assert found.read_bytes() == content
        assert read_pretraining(found).plan.key_to_stem == "encoder.stem"
        own = local_checkpoint("https://huggingface.co/lab/mae", tmp_path / "models")
        assert own == tmp_path / "models" / "lab_mae" / FILE
        assert own.read_bytes() == content
        with pytest.raises(NnplugError, match="hf:lab/other: no such model, or it is private"):
            local_checkpoint("hf:lab/other")
    assert {line.rpartition("/")[2] for line in served.asked if "/resolve/" in line} == {FILE}
