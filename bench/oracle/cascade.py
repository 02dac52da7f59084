"""Record what nnunetv2 2.8.1 makes of the previous stage's predictions.

Run with a Python that has it: cascade.py AUGMENTATION.npz HANDOVER.npz. The files hold only results: `blobs` and
`logits` below and their twins in the tests make the input.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.nnunet.random_binary_operator import (
    ApplyRandomBinaryOperatorTransform,
    binary_closing_torch,
    binary_dilation_torch,
    binary_erosion_torch,
    binary_opening_torch,
)
from batchgeneratorsv2.transforms.nnunet.remove_connected_components import (
    RemoveRandomConnectedComponentFromOneHotEncodingTransform,
)
from nnunetv2.inference.export_prediction import resample_and_save
from nnunetv2.preprocessing.resampling.default_resampling import resample_data_or_seg_to_shape
from nnunetv2.utilities.label_handling.label_handling import LabelManager
from scipy.ndimage import gaussian_filter

SHAPE = (20, 24, 22)
OPERATORS = {
    "dilate": binary_dilation_torch,
    "erode": binary_erosion_torch,
    "open": binary_opening_torch,
    "close": binary_closing_torch,
}
RADII = (1.0, 1.3, 1.6, 2.5, 3.0, 4.7, 8.0)
CLASSES = {"background": 0, "a": 1, "b": 2, "c": 3}
REGIONS = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "tip": 3}
GRIDS = {  # shape and spacing of the logits, wanted shape, labels
    "alike": ((9, 11, 10), (2.0, 1.5, 1.5), (16, 19, 14), CLASSES),
    "slices": ((5, 12, 11), (5.0, 1.0, 1.1), (9, 20, 19), CLASSES),
    "regions": ((9, 11, 10), (2.0, 1.5, 1.5), (13, 18, 17), REGIONS),
}


def blobs(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Three labels that touch each other and the border."""
    noise = np.random.RandomState(5).normal(size=(4, *shape))
    smooth = np.stack([gaussian_filter(channel, 1.7) for channel in noise])
    return smooth.argmax(0).astype(np.int16)


def logits(outputs: int, shape: tuple[int, ...]) -> np.ndarray:
    noise = np.random.RandomState(outputs).normal(size=(outputs, *shape))
    return np.stack([gaussian_filter(channel, 1.2) for channel in noise]).astype(np.float32)


def one_hot(labels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack([labels == value for value in (1, 2, 3)]).astype(np.float32))


def label_map(channels: torch.Tensor) -> np.ndarray:
    assert channels.sum(0).max() <= 1, "a voxel is in two channels"
    return (channels * torch.tensor([1.0, 2, 3]).view(-1, 1, 1, 1)).sum(0).numpy().astype(np.int8)


def morphology(steps: list[tuple[int, str, float]]) -> np.ndarray:
    transform = ApplyRandomBinaryOperatorTransform(channel_idx=[-3, -2, -1])
    params = {
        "apply_to_channels": [label - 4 for label, _, _ in steps],
        "operators": [OPERATORS[operator] for _, operator, _ in steps],
        "strel_size": [radius for _, _, radius in steps],
    }
    return label_map(transform.apply({"image": one_hot(blobs())}, **params)["image"])


def removal() -> np.ndarray:
    """Return a label map without the smaller of label 2's two components; label 1 is too large to be removed."""
    labels = np.zeros((10, 10, 10), np.int16)
    labels[:4], labels[5:7, 5:7, 5:7], labels[7:, 7:, 7:] = 1, 3, 3
    labels[5:, :8, :4] = 2
    labels[9, 9, 0] = 2
    transform = RemoveRandomConnectedComponentFromOneHotEncodingTransform([-3, -2, -1], 0, 0.15, 1)
    return label_map(transform.apply({"image": one_hot(labels)}, apply_to_channels=[-3, -2, -1])["image"])


class Kept:
    """Stands for a dataset that stores what it is given."""

    @classmethod
    def save_seg(cls, seg: np.ndarray, output: str) -> None:
        del output
        cls.seg = seg


def on_grid(shape: tuple, spacing: tuple, wanted: tuple, labels: dict[str, Any]) -> np.ndarray:
    order = [1, 2, 3] if labels is REGIONS else None
    manager = LabelManager(labels, order)
    resample = partial(resample_data_or_seg_to_shape, is_seg=False, order=1, order_z=0, force_separate_z=None)
    plans = SimpleNamespace(transpose_forward=[0, 1, 2], get_label_manager=lambda _: manager)
    configuration = SimpleNamespace(spacing=list(spacing), resampling_fn_probabilities=resample, patch_size=(8, 8, 8))
    properties = {"spacing": [1.0, 1, 1], "shape_after_cropping_and_before_resampling": list(wanted)}
    predicted = logits(manager.num_segmentation_heads, shape)
    resample_and_save(predicted, list(wanted), "", plans, configuration, properties, {}, 1, Kept)
    return Kept.seg


def main(augmentation: Path, handover: Path) -> None:
    single = {f"{name}_{radius}": morphology([(2, name, radius)]) for name in OPERATORS for radius in RADII}
    several = morphology([(3, "dilate", 2.2), (1, "close", 3.4), (2, "open", 1.5)])
    grids = {name: on_grid(*grid) for name, grid in GRIDS.items()}
    np.savez_compressed(augmentation, several=several, removal=removal(), **single)
    np.savez_compressed(handover, **grids)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
