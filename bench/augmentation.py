"""Samples per second of nnplug's augmentation beside batchgeneratorsv2's, on one core (CPU time), in turns.

Run with a Python that has nnunetv2 2.8.1, msgspec and pluggy; nnplug is taken from this checkout:
    PYTHONPATH=core/src:plugins/nnunet/src python bench/augmentation.py [samples]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import mean, median

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

from nnplug.contracts import AugmentationContext
from nnplug.data.labels import Labels
from nnplug_nnunet.augmentation import NnunetAugmenter
from nnplug_nnunet.augmentation.pipeline import is_anisotropic

LABELS = Labels({"background": (0,), "a": (1,), "b": (2,), "c": (3,)})
CASES = [((128, 128, 128), 1), ((128, 128, 128), 4), ((20, 320, 256), 1), ((512, 512), 1)]


def example(size: tuple[int, ...], channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and three overlapping balls on a background with a margin of -1."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(channels, *size)).astype(np.float32)
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij", sparse=True)
    radius = np.sqrt(sum(axis**2 for axis in grid))
    label = np.digitize(-radius, [-0.6, -0.4, -0.2]).astype(np.int16)
    label[radius > 1.3] = -1
    return image, label


def ours(patch: tuple[int, ...], channels: int) -> tuple[Callable[[int], float], tuple[int, ...]]:
    context = AugmentationContext(patch, tuple(range(len(patch))), (), LABELS)
    augmentation = NnunetAugmenter().bind(context)
    image, label = example(augmentation.source_patch_size, channels)

    def sample(seed: int) -> float:
        fresh = image.copy(), label.copy()
        start = time.process_time()
        augmentation(*fresh, np.random.default_rng(seed))
        return time.process_time() - start

    return sample, augmentation.source_patch_size


def theirs(patch: tuple[int, ...], channels: int, source: tuple[int, ...]) -> Callable[[int], float]:
    angle = NnunetAugmenter().rotation_for(patch) / 180 * np.pi
    transforms = nnUNetTrainer.get_training_transforms(
        patch, (-angle, angle), None, tuple(range(len(patch))), is_anisotropic(patch)
    )
    image, label = example(source, channels)

    def sample(seed: int) -> float:
        np.random.seed(seed)
        torch.manual_seed(seed)
        fresh = {"image": torch.from_numpy(image.copy()), "segmentation": torch.from_numpy(label[None].copy())}
        start = time.process_time()
        transforms(**fresh)
        return time.process_time() - start

    return sample


def main(samples: int) -> None:
    torch.set_num_threads(1)
    for patch, channels in CASES:
        new, source = ours(patch, channels)
        old = theirs(patch, channels, source)
        times = [(new(seed), old(seed)) for seed in range(samples)]
        mine, yours = zip(*times[5:], strict=True)  # the first ones choose algorithms
        print(
            f"{patch} x {channels}: nnplug mean {mean(mine) * 1e3:.0f} ms (median {median(mine) * 1e3:.0f}), "
            f"batchgeneratorsv2 mean {mean(yours) * 1e3:.0f} ms (median {median(yours) * 1e3:.0f}), "
            f"ratio of means {mean(yours) / mean(mine):.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
