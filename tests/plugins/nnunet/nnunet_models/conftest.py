"""A tiny bundle, and the registry that models are imported with."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from safetensors.torch import save_file

from nnplug.dataset.description import DatasetDescription
from nnplug.models.bundle import Contents, pack
from nnplug.plans.fingerprint import IntensityStats
from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
from nnplug.registry.components import Entry, Kind, Registry, Source
from nnplug.registry.entries import NormalizerComponent
from nnplug.registry.loader import Plugins

DEPTH = {"plain-conv-unet": "n_conv_per_stage", "residual-encoder-unet": "n_blocks_per_stage"}


@pytest.fixture(scope="session")
def registry():
    """The networks, and normalizers by name: importing looks them up and loads none."""
    source = Source("nnunet", "nnplug-nnunet", "0.1.0")
    normalizers = (
        NormalizerComponent(n, "nnplug_nnunet.normalizers:Named", "a name") for n in ("zscore", "ct", "none")
    )
    used = (Kind.ARCHITECTURE, Kind.PREPROCESSOR, Kind.INFERENCE)
    networks = [entry for entry in Plugins().registry if entry.kind in used]
    return Registry([*networks, *(Entry(c, source) for c in normalizers)])


@pytest.fixture
def make_bundle(tmp_path, registry):
    """`make_bundle()` gives a bundle of two folds of a random network; keywords are options of it."""

    def make(network="plain-conv-unet", dimensions=3, **more):
        options = {
            "n_stages": 2,
            "features_per_stage": [4, 8],
            "kernel_sizes": [[3] * dimensions] * 2,
            "strides": [[1] * dimensions, [2] * dimensions],
            DEPTH.get(network, "depth"): [1, 2],
            "n_conv_per_stage_decoder": [1],
            **more,
        }
        stats = IntensityStats(mean=0, median=0, std=1, min=-1, max=1, percentile_00_5=-1, percentile_99_5=1)
        raw = {
            "channel_names": {"0": "MRI"},
            "labels": {"background": 0, "a": 1},
            "numTraining": 2,
            "file_ending": ".nii.gz",
        }
        configuration = Configuration(
            spacing=(1.0,) * dimensions,
            patch_size=(8,) * dimensions,
            batch_size=2,
            median_shape=(8.0,) * dimensions,
            normalization=(Normalization(name="zscore", use_mask=False),),
            resampling=Resampling(),
            batch_dice=False,
            architecture=Choice(name=network, options=options),
        )
        plans = Plans(
            dataset="Dataset001_A",
            name="nnunet",
            recipe="nnunet",
            choices={},
            transpose_forward=(1, 0, 2),
            transpose_backward=(1, 0, 2),
            median_spacing=(1.0, 1.0, 1.0),
            median_shape=(8.0, 8.0, 8.0),
            intensity={"0": stats},
            configurations={"tiny": configuration},
        )
        torch.manual_seed(0)
        folds = {}
        for fold in "01":
            module = registry.create(Kind.ARCHITECTURE, network, options).build(channels=1, outputs=2)
            folds[fold] = partial(save_file, module.state_dict())
        contents = Contents(
            plans=plans,
            description=DatasetDescription.from_data(raw, "dataset.json"),
            configuration="tiny",
            folds=folds,
            mirror_axes=tuple(range(dimensions)),
            providers=(),
        )
        pack(contents, tmp_path / "bundle")
        return tmp_path / "bundle"

    return make
