"""Inputs that both sides of a row are given: nnU-Net's JSON files for a plain U-Net, folders and environments."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESAMPLING = {"data": (False, 3), "seg": (True, 1), "probabilities": (False, 1)}
"""Of images, labels and logits: whether they are labels, and the spline's order."""


def architecture(patch: Sequence[int], features: Sequence[int], strides: Sequence[Sequence[int]]) -> dict[str, Any]:
    """A plain U-Net as plans of nnU-Net describe it."""
    stages, axes = len(features), len(patch)
    arguments = {
        "n_stages": stages,
        "features_per_stage": list(features),
        "conv_op": f"torch.nn.modules.conv.Conv{axes}d",
        "kernel_sizes": [[3] * axes] * stages,
        "strides": [list(s) for s in strides],
        "n_conv_per_stage": [2] * stages,
        "n_conv_per_stage_decoder": [2] * (stages - 1),
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{axes}d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return {
        "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
        "arch_kwargs": arguments,
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def plans(patch: Sequence[int], spacing: Sequence[float], network: Mapping[str, Any]) -> dict[str, Any]:
    """Plans with one configuration, 3d_fullres, for one channel."""
    configuration: dict[str, Any] = {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(patch),
        "median_image_size_in_voxels": [float(p) for p in patch],
        "spacing": list(spacing),
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [False],
        "architecture": dict(network),
        "batch_dice": False,
    }
    for word, (is_label, order) in RESAMPLING.items():
        keywords = {"is_seg": is_label, "order": order, "order_z": 0, "force_separate_z": None}
        configuration[f"resampling_fn_{word}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{word}_kwargs"] = keywords
    statistics = dict.fromkeys(("max", "mean", "median", "min", "percentile_00_5", "percentile_99_5", "std"), 1.0)
    return {
        "dataset_name": "Dataset999_Bench",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": list(spacing),
        "original_median_shape_after_transp": list(patch),
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {"3d_fullres": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": statistics},
    }


def dataset_json(classes: int, cases: int = 1) -> dict[str, Any]:
    """A dataset of one channel; `classes` counts the background."""
    return {
        "channel_names": {"0": "MRI"},
        "labels": {"background": 0, **{f"class{i}": i for i in range(1, classes)}},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }


def strides(stages: int) -> list[list[int]]:
    """Halving at every stage but the first."""
    return [[1, 1, 1], *[[2, 2, 2]] * (stages - 1)]


def write_model(folder: Path, plans_data: Mapping[str, Any], description: Mapping[str, Any]) -> None:
    """The JSON files of a model folder; `bench/peers/model.py` adds random weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plans.json").write_text(json.dumps(plans_data))
    (folder / "dataset.json").write_text(json.dumps(description))


def environment(folder: Path, dataset: Path | None = None) -> dict[str, str]:
    """nnU-Net's three variables for folders of a row's own, with a link to a raw dataset.

    Data loading processes are as many as cores: its default of twelve and more is for machines with a GPU.
    """
    for name in ("raw", "preprocessed", "results"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    if dataset is not None and not (folder / "raw" / dataset.name).exists():
        (folder / "raw" / dataset.name).symlink_to(dataset.resolve())
    variables = {f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")}
    return {**variables, "nnUNet_n_proc_DA": str(cores())}


def number(dataset: Path) -> str:
    """The number in a dataset's name."""
    return str(int(dataset.name[len("Dataset") :][:3]))


def cores() -> int:
    """Those that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
