"""MONAI's own converter takes an exported model, and its network has our logits (docs/monai-and-slicer.md)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nnplug.models.bundle import read_bundle
from nnplug.models.weights import read_weights
from nnplug.registry.components import Kind
from nnplug.runtime.progress import Silent
from nnplug_nnunet.nnunet_models import export_model, import_model

SCRIPT = Path(__file__).parents[4] / "bench" / "oracle" / "monai_bundle.py"
FOLDER = "Dataset004_Hippocampus/nnUNetTrainer__nnUNetPlans__3d_bs2"


@pytest.fixture
def python():
    """A Python with nnunetv2."""
    path = Path(os.environ.get("ORACLE", "")) / "python"
    if not os.environ.get("ORACLE") or not path.is_file():
        pytest.skip("needs nnunetv2: set ORACLE to the bin folder of an environment that has it")
    return path


@pytest.mark.slow
def test_monai_makes_its_bundle_of_an_exported_model(python, shared, registry, tmp_path):
    monai = ["install", "--quiet", "--no-deps", "--target", str(tmp_path / "monai"), "monai==1.6.1"]
    subprocess.run([sys.executable, "-m", "pip", *monai], check=True)
    model = shared / "reference" / "models" / "hippocampus" / "model"
    bundle = tmp_path / "bundle"
    import_model(model, bundle, registry=registry, progress=Silent())
    export_model(bundle, tmp_path / "results" / FOLDER, checkpoints=("final", "best"))
    batch = np.random.default_rng(0).normal(size=(1, 1, 40, 56, 40)).astype(np.float32)
    np.save(tmp_path / "batch.npy", batch)
    variables = {f"nnUNet_{name}": str(tmp_path / "results") for name in ("raw", "preprocessed", "results")}
    files = [str(tmp_path / name) for name in ("monai-bundle", "batch.npy", "logits.npy")]
    environment = {**os.environ, **variables, "PYTHONPATH": str(tmp_path / "monai")}
    subprocess.run([str(python), str(SCRIPT), *files], env=environment, check=True)
    assert (tmp_path / "monai-bundle" / "models" / "fold_0" / "best_model.pt").is_file()

    opened = read_bundle(bundle)
    choice = opened.plans.configuration(opened.record.configuration).architecture
    network = registry.create(Kind.ARCHITECTURE, choice.name, choice.options).build(channels=1, outputs=3)
    network.load_state_dict(read_weights(opened.weights("0")))
    with torch.inference_mode():
        ours = network.eval()(torch.from_numpy(batch))
    logits = ours[0] if isinstance(ours, (list, tuple)) else ours
    np.testing.assert_allclose(np.load(tmp_path / "logits.npy"), logits.numpy(), atol=1e-4)
