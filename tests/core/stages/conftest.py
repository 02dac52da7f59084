"""Runs on disk without training."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from nnplug.components import Kind
from nnplug.data.plans import Choice, Configuration, Normalization, Plans, Resampling
from nnplug.data.record import RunRecord
from nnplug.data.workspace import RunFolder
from nnplug.provenance import Provider

DESCRIPTION = {
    "channel_names": {"0": "MRI"},
    "labels": {"background": 0, "a": 1},
    "numTraining": 2,
    "file_ending": ".nii.gz",
    "licence": "CC0",
}


@pytest.fixture
def plans():
    configuration = Configuration(
        spacing=(1.0, 1.0, 1.0),
        patch_size=(8, 8, 8),
        batch_size=2,
        median_shape=(8.0, 8.0, 8.0),
        normalization=(Normalization(name="zscore", use_mask=False),),
        resampling=Resampling(),
        batch_dice=False,
        architecture=Choice(name="plain-conv-unet"),
    )
    return Plans(
        dataset="Dataset001_A",
        name="nnunet",
        recipe="nnunet",
        choices={},
        transpose_forward=(0, 1, 2),
        transpose_backward=(0, 1, 2),
        median_spacing=(1.0, 1.0, 1.0),
        median_shape=(8.0, 8.0, 8.0),
        intensity={},
        configurations={"3d_fullres": configuration},
    )


@pytest.fixture
def provider():
    return Provider(
        kind=Kind.ARCHITECTURE,
        name="plain-conv-unet",
        target="nnplug_nnunet.architectures:PlainConvUNet",
        plugin="nnunet",
        distribution="nnplug-nnunet",
        version="0.1.0",
        state_version=1,
    )


@pytest.fixture
def make_run(tmp_path, plans, provider):
    """`make_run(0)` writes a finished run of fold 0; keywords replace fields of its record."""

    def make(fold, *, finished=True, best=True, **fields):
        run = RunFolder(tmp_path / "runs" / f"fold_{fold}")
        run.path.mkdir(parents=True, exist_ok=True)
        plans.write(run.plans)
        run.description.write_text(json.dumps(DESCRIPTION))
        record = {
            "dataset": plans.dataset,
            "plans": plans.name,
            "plans_digest": plans.digest(),
            "configuration": "3d_fullres",
            "fold": fold,
            "seed": 0,
            "command": ("nnplug", "train"),
            "providers": (provider,),
            "versions": {"python": "3.11"},
            "mirror_axes": (0, 1, 2),
            "training": ("a",),
            "validation": ("b",),
            "created": "2026-01-01T00:00:00+00:00",
        }
        RunRecord(**{**record, **fields}).write(run.record)
        offset = 100 if fold == "all" else fold
        if finished:
            save_file({"w": torch.full((2,), float(offset))}, run.final_weights)
        if best:
            save_file({"w": torch.full((2,), offset + 0.5)}, run.best_weights)
        return run

    return make
