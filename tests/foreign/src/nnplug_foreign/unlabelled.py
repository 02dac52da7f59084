"""Patches of images without label maps, and the entropy of what is predicted for them (Grandvalet and Bengio, 2004)."""

from __future__ import annotations

import numpy as np
import torch

from nnplug.contracts import TrainingTask
from nnplug.dataset.labels import Labels
from nnplug.runtime.seeds import generator

UNLABELLED = 4
"""The purpose of the random numbers that place these patches."""


def unlabelled_patches(task: TrainingTask, number: int) -> torch.Tensor:
    """Return random patches (B, C, *patch) float32 on the device, for one step of the training."""
    rng, names, patch = generator(task.seed, UNLABELLED, number), sorted(task.unlabelled), task.configuration.patch_size
    size = (1,) * (3 - len(patch)) + tuple(patch)
    patches = []
    for _ in range(task.configuration.batch_size):
        image = task.unlabelled[names[rng.integers(len(names))]].image
        starts = [
            int(rng.integers(max(whole - part, 0) + 1)) for whole, part in zip(image.shape[1:], size, strict=True)
        ]
        cut = image[:, *(slice(start, start + part) for start, part in zip(starts, size, strict=True))]
        missing = [(0, part - there) for part, there in zip(size, cut.shape[1:], strict=True)]
        patches.append(np.pad(cut, [(0, 0), *missing]).reshape(len(cut), *patch))
    return torch.from_numpy(np.stack(patches)).to(task.device)


def entropy(logits: torch.Tensor, labels: Labels) -> torch.Tensor:
    """Return the mean entropy per voxel of logits (B, K, *patch), of classes or of regions."""
    if labels.has_regions:
        surprise = torch.nn.functional.binary_cross_entropy_with_logits(logits, logits.sigmoid(), reduction="none")
    else:
        surprise = -logits.softmax(dim=1) * logits.log_softmax(dim=1)
    return surprise.sum(dim=1).mean()
