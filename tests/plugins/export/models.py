"""Bundles of tiny networks with random weights: every kind of model that can be exported."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from shutil import copyfile

import torch
from safetensors.torch import save_file

from nnplug.contracts import Topology
from nnplug.dataset.description import DatasetDescription
from nnplug.models.bundle import Contents, pack
from nnplug.models.ensemble_bundle import pack_ensemble
from nnplug.plans.fingerprint import IntensityStats
from nnplug.plans.plans import Choice, Configuration, Normalization, Plans, Resampling
from nnplug.registry.components import Kind
from nnplug.registry.loader import Plugins
from nnplug.registry.provenance import record

CT = IntensityStats(mean=60.0, median=50.0, std=40.0, min=-200.0, max=300.0, percentile_00_5=-20.0, percentile_99_5=160)
CLASSES = {"background": 0, "a": 1, "b": 2}
REGIONS = {"background": 0, "whole": [1, 2], "core": [2]}


def largest(*steps):
    """A rule of nnU-Net's postprocessor."""
    provider = {"kind": "postprocessor", "name": "largest-component", "plugin": "nnunet", "version": "0.1.0"}
    place = {"target": "nnplug_nnunet.postprocessor:LargestComponent", "distribution": "nnplug-nnunet"}
    rule = {"keep_largest": [list(step) for step in steps]}
    return {"schema": 1, "provider": {**provider, **place, "state_version": 1}, "labels": CLASSES, "rule": rule}


def options(plugins, dims, stages=2):
    """Options of a U-Net of two stages."""
    topology = Topology(
        strides=((1,) * dims, *((2,) * dims,) * (stages - 1)),
        kernel_sizes=((3,) * dims,) * stages,
        features_per_stage=(4, 8, 8)[:stages],
    )
    entry = plugins.registry.get(Kind.ARCHITECTURE, "plain-conv-unet")
    return json.loads(json.dumps(entry.load().options_for(topology)))


def configuration(plugins, *, patch=(8, 8, 8), normalization=("zscore",), use_mask=False, **fields):
    dims = len(patch)
    given = {
        "spacing": (1.5, 1.0, 1.0)[3 - dims :],
        "patch_size": patch,
        "batch_size": 2,
        "median_shape": tuple(float(n) for n in patch),
        "normalization": tuple(Normalization(name=name, use_mask=use_mask) for name in normalization),
        "resampling": Resampling(),
        "batch_dice": False,
        "architecture": Choice(name="plain-conv-unet", options=options(plugins, dims)),
    }
    return Configuration(**{**given, **fields})


def plans(configurations, **fields):
    forward = fields.pop("transpose", (1, 0, 2))
    given = {
        "dataset": "Dataset001_A",
        "name": "nnunet",
        "recipe": "nnunet",
        "choices": {},
        "transpose_forward": forward,
        "transpose_backward": tuple(forward.index(axis) for axis in range(3)),
        "median_spacing": (1.5, 1.0, 1.0),
        "median_shape": (16.0, 16.0, 16.0),
        "intensity": {"0": CT, "1": CT},
        "configurations": configurations,
    }
    return Plans(**{**given, **fields})


def description(labels, channels, ending=".nii.gz"):
    raw = {
        "channel_names": {str(c): f"MR{c}" for c in range(channels)},
        "labels": labels,
        "numTraining": 2,
        "file_ending": ending,
        "licence": "CC0",
    }
    if any(isinstance(value, list) for value in labels.values()):
        raw["regions_class_order"] = [1, 2]
    return DatasetDescription.from_data(raw, "dataset.json")


def contents(folder, own, name, *, labels=CLASSES, folds=1, seed=0, previous=None, plugins=None, ending=".nii.gz"):
    """What a bundle of random weights holds."""
    plugins = plugins or Plugins()
    chosen = own.configuration(name)
    described = description(labels, len(chosen.normalization), ending)
    files = {}
    for fold in range(folds):
        torch.manual_seed(seed + fold)
        entry = plugins.registry.get(Kind.ARCHITECTURE, chosen.architecture.name)
        network = entry.create(chosen.architecture.options).build(
            channels=chosen.input_channels(described), outputs=described.labels.outputs
        )
        _balance(network.decoder.seg_layers[-1])
        path = folder / f"{name}_{seed + fold}.safetensors"
        save_file(network.state_dict(), path)
        files[str(fold)] = partial(copyfile, path)
    kinds = [(Kind.ARCHITECTURE, chosen.architecture.name), (Kind.PREPROCESSOR, own.choices.get("preprocessor"))]
    kinds += [(Kind.NORMALIZER, one.name) for one in chosen.normalization]
    kinds += [(Kind.INFERENCE, own.choices.get("inference")), (Kind.RESAMPLER, own.choices.get("resampler"))]
    names = [(kind, getattr(one, "name", one)) for kind, one in kinds if one is not None]
    return Contents(
        plans=own,
        description=described,
        configuration=name,
        folds=files,
        mirror_axes=tuple(range(chosen.dimensions)),
        providers=record([plugins.registry.get(kind, one) for kind, one in names]),
        previous=previous,
    )


def _balance(head):
    """Let each output win somewhere: its logits have the mean 0, since features have one mean after normalisation."""
    weight = torch.randn_like(head.weight)
    head.weight.data = weight - weight.mean(1, keepdim=True)


def bundle(folder, name="bundle", *, labels=CLASSES, folds=1, rule=None, ending=".nii.gz", plan=None, **fields):
    """Write the bundle of one configuration; `fields` are those of the configuration, `plan` those of the plans."""
    plugins = Plugins()
    own = plans({"3d_fullres": configuration(plugins, **fields)}, **(plan or {}))
    made = contents(folder, own, "3d_fullres", labels=labels, folds=folds, plugins=plugins, ending=ending)
    pack(replace(made, postprocessing=rule), folder / name)
    return folder / name


def cascade(folder, name="cascade", **plan):
    """Write the bundle of a cascade: two folds of each stage."""
    plugins = Plugins()
    stages = {
        "3d_lowres": configuration(plugins, spacing=(3.0, 2.0, 2.0), next_stage="full"),
        "full": configuration(plugins, normalization=("zscore",), use_mask=True, previous_stage="3d_lowres"),
    }
    own = plans(stages, **plan)
    first = contents(folder, own.only("3d_lowres"), "3d_lowres", folds=2, seed=5, plugins=plugins)
    pack(contents(folder, own.only("full"), "full", folds=2, seed=7, previous=first, plugins=plugins), folder / name)
    return folder / name


def ensemble(folder, name="ensemble", rule=None):
    """Write the bundle of a 3D network and a 2D one, with a rule for both."""
    plugins = Plugins()
    own = plans({"3d": configuration(plugins), "2d": configuration(plugins, patch=(8, 8))})
    members = {n: contents(folder, own.only(n), n, seed=k, plugins=plugins) for k, n in enumerate(("3d", "2d"))}
    pack_ensemble(members, folder / name, postprocessing=rule)
    return folder / name
