"""The start of a Primus, and its training, which is a slow test: the smallest Primus has 23 million weights."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

from nnplug.models.bundle import read_bundle
from nnplug.workspace.run_record import RunRecord

from .conftest import nnplug
from .test_commands import PAPER, SHORT


@pytest.mark.slow
def test_a_primus_trains_from_its_start(place, primus):
    folder, workspace = place
    start = workspace / "primus-start"
    common = ("-w", workspace, "--name", "tokens")
    nnplug("plan-nnssl", folder, primus.path, *common, "--patch-size", "16", "16", "16", "-o", start)
    weights = load_file(read_bundle(start).weights("all"))
    nnplug("preprocess", folder, *common)
    words = ("-f", "0", "--pretrained", start, "--device", "cpu", "--no-mirroring", *SHORT)
    result = nnplug("train", folder, *common, *words, "--set", "trainer.weight_decay=0")
    assert f"cite for the weights of {start}: {PAPER}" in result.stderr
    assert "at random begin mask_token, up_projection." in result.stderr
    run = workspace / folder.name / "runs" / "tokens" / "3d_fullres" / "fold_0"
    trained = load_file(run / "weights_final.safetensors")
    assert all(torch.equal(trained[name], one) for name, one in weights.items())
    assert weights["eva.pos_embed"].shape == (1, 8, 396)
    assert RunRecord.read(run / "run.json").pretrained.model == str(start)
