"""Batches of random patches. Each depends on seed, purpose and number alone, so that any of them can be made again."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from nnplug.contracts import Augmentation, AugmentationContext, PatchPlace, SamplingContext, TrainingTask
from nnplug.runtime.seeds import generator
from nnplug.workspace.case_store import StoredCase
from nnplug_foreign.case_index import ARRAY

TRAINING, VALIDATION = 1, 2

Image = npt.NDArray[np.float32]
Label = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Batches:
    """The batches of a training for one purpose.

    Attributes:
        task: names cases, patch and seed.
        names: of the cases to draw from.
        purpose: `TRAINING` or `VALIDATION`.
        augmentation: of the patches; None for none.
        foreground: the share of patches that is centred on a foreground voxel.
        threads: read and augment samples.
    """

    task: TrainingTask
    names: tuple[str, ...]
    purpose: int
    augmentation: Augmentation | None
    foreground: float
    threads: ThreadPoolExecutor

    def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return images (B, C, *patch) float32 and labels (B, *patch) int64 on the device."""
        size, device = self.task.configuration.batch_size, self.task.device
        samples = list(self.threads.map(lambda index: self.sample(number, index), range(size)))
        image = torch.from_numpy(np.stack([image for image, _ in samples]))
        label = torch.from_numpy(np.stack([label for _, label in samples]).astype(np.int64))
        return image.to(device), label.to(device)

    def sample(self, number: int, index: int) -> tuple[Image, Label]:
        """Return image (C, *patch) and label (*patch) of one sample of a batch."""
        rng = generator(self.task.seed, self.purpose, number, index)
        place = self._place(index, rng)
        case = self.task.cases[place.case]
        patch = self.task.configuration.patch_size if self.augmentation is None else self.augmentation.source_patch_size
        size = (1,) * (3 - len(patch)) + tuple(patch)
        image, label = cut(case, self._start(case, size, place, rng), size)
        image, label = image.reshape(len(image), *patch), label.reshape(patch)
        if self.augmentation is None:
            return image, np.maximum(label, 0)
        return self.augmentation(image, label, rng)

    def _place(self, index: int, rng: np.random.Generator) -> PatchPlace:
        """Return the place that the sampler of the plans draws; without one any case, and foreground in a share."""
        task = self.task
        if task.sampler is not None:
            context = SamplingContext(task.cases, self.names, task.labels, task.configuration.batch_size)
            return task.sampler.bind(context).draw(index, rng)
        name = self.names[rng.integers(len(self.names))]
        voxels = task.cases[name].index.arrays[ARRAY]
        if not len(voxels) or rng.random() >= self.foreground:
            return PatchPlace(name)
        return PatchPlace(name, tuple(int(n) for n in voxels[int(rng.integers(len(voxels)))]))

    def _start(self, case: StoredCase, size: Sequence[int], place: PatchPlace, rng: np.random.Generator) -> list[int]:
        """Return the first voxel (z, y, x) of a patch, which reaches over the border only where the case is smaller."""
        shape = case.label.shape
        centre = place.centre or [int(rng.integers(extent)) for extent in shape]
        return [
            min(max(middle - extent // 2, 0), max(whole - extent, 0))
            for middle, extent, whole in zip(centre, size, shape, strict=True)
        ]


def cut(case: StoredCase, start: Sequence[int], size: Sequence[int]) -> tuple[Image, Label]:
    """Return a patch of a case: image (C, z, y, x), 0 outside the case, and label (z, y, x), -1 outside."""
    box = tuple(slice(first, first + extent) for first, extent in zip(start, size, strict=True))
    image, label = case.image[:, *box], case.label[box]
    missing = [(0, extent - there) for extent, there in zip(size, label.shape, strict=True)]
    return np.pad(image, [(0, 0), *missing]), np.pad(label, missing, constant_values=-1)


def bound(task: TrainingTask, mirror_axes: tuple[int, ...]) -> Augmentation:
    """Return the augmentation of a task."""
    context = AugmentationContext(task.configuration.patch_size, mirror_axes, task.masked_channels, task.labels)
    return task.augmenter.bind(context)
