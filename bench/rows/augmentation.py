"""Samples per second and core of the default augmentation; CPU time, so that threads win nothing.

Transforms may write into what they are given, so each sample is a copy, made before the clock starts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any

from harness.row import Case, Goal, Inside, Row, Work

if TYPE_CHECKING:
    import numpy as np

SAMPLES = 100  # per measurement: the sides draw apart, and a sample that is turned costs many times another
CLASSES = 4


def example(size: tuple[int, ...], channels: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Noise, and three overlapping balls on a background with a margin of -1."""
    import numpy as np

    rng = np.random.default_rng(0)
    image = rng.normal(size=(channels, *size)).astype(np.float32)
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij", sparse=True)
    radius = np.sqrt(sum(axis**2 for axis in grid))
    label = np.digitize(-radius, [-0.6, -0.4, -0.2]).astype(np.int16)
    label[radius > 1.3] = -1
    return image, label


def ours(patch: list[int], source: list[int], degrees: int, channels: int, samples: int) -> Work:
    """nnplug's default augmenter."""
    import numpy as np
    import torch

    from nnplug.contracts import AugmentationContext
    from nnplug.dataset.labels import Labels
    from nnplug.runtime.allocator import keep_freed_memory
    from nnplug_nnunet.augmentation import NnunetAugmenter

    torch.set_num_threads(1)
    keep_freed_memory()  # as trainings do
    labels = Labels({"background": (0,), **{str(k): (k,) for k in range(1, CLASSES)}})
    augmentation = NnunetAugmenter().bind(AugmentationContext(tuple(patch), tuple(range(len(patch))), (), labels))
    assert augmentation.source_patch_size == tuple(source), "both sides must be given patches of one size"
    assert NnunetAugmenter().rotation_for(tuple(patch)) == degrees, "both sides must turn as far"
    image, label = example(tuple(source), channels)
    seeds = count()

    def augment(seed: int) -> float:
        given, rng = (image.copy(), label.copy()), np.random.default_rng(seed)
        return cpu_seconds(lambda: augmentation(*given, rng))

    return lambda: {"cpu_seconds": sum(augment(seed) for seed in _next(seeds, samples))}


def theirs(patch: list[int], source: list[int], degrees: int, channels: int, samples: int) -> Work:
    """batchgeneratorsv2's transforms, as nnU-Net's trainer composes them."""
    import numpy as np
    import torch
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer

    torch.set_num_threads(1)
    flat, angle = len(patch) == 3 and degrees == 180, degrees / 180 * np.pi  # flat patches are turned in plane alone
    transforms = nnUNetTrainer.get_training_transforms(
        tuple(patch), (-angle, angle), None, tuple(range(len(patch))), flat
    )
    image, label = example(tuple(source), channels)
    seeds = count()

    def augment(seed: int) -> float:
        np.random.seed(seed)
        torch.manual_seed(seed)
        given = {"image": torch.from_numpy(image.copy()), "segmentation": torch.from_numpy(label[None].copy())}
        return cpu_seconds(lambda: transforms(**given))

    return lambda: {"cpu_seconds": sum(augment(seed) for seed in _next(seeds, samples))}


def cpu_seconds(function: Callable[[], object]) -> float:
    """Return the CPU seconds of this process that a call takes."""
    started = time.process_time()
    function()
    return time.process_time() - started


def _next(seeds: Iterator[int], samples: int) -> list[int]:
    return [next(seeds) for _ in range(samples)]


def case(patch: tuple[int, ...], source: tuple[int, ...], degrees: int, channels: int, *goals: Goal) -> Case:
    """A patch, the larger one that it is cut from, and how far that is turned."""
    name = f"{' x '.join(map(str, patch))}, {channels} channel{'s' if channels > 1 else ''}"
    values = {"patch": patch, "source": source, "degrees": degrees, "channels": channels, "samples": SAMPLES}
    return Case(name, values, {"samples": 2}, goals=goals)


GOAL = Goal("cpu_seconds", 1 / 3)
ROW = Row(
    title=f"augmentation, {SAMPLES} samples on one core (CPU time)",
    peer="batchgeneratorsv2",
    ours=Inside(ours),
    theirs=Inside(theirs),
    rounds=3,
    cases=(
        case((128, 128, 128), (205, 205, 205), 30, 1, GOAL),
        case((128, 128, 128), (205, 205, 205), 30, 4, GOAL),
        case((20, 320, 256), (20, 376, 376), 180, 1),
        case((512, 512), (602, 602), 180, 1),
    ),
    note="Goal: three times as many samples per second, which is a ratio of a third.",
)
