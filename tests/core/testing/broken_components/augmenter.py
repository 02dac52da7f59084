"""A sound augmenter of flips and noise, and augmenters that break one promise each."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import torch


@dataclass(frozen=True)
class Sound:
    def bind(self, context):
        return Bound(self, context)

    def axes(self, context, rng):
        return [axis for axis in context.mirror_axes if rng.random() < 0.5]

    def image(self, image, axes, rng):
        scale = 1 + 0.1 * rng.random()
        return scale * np.flip(image, [axis + 1 for axis in axes])

    def label(self, label, axes):
        return np.maximum(np.flip(label, axes), 0)

    def previous(self, label, axes):
        return np.flip(label, axes)


@dataclass(frozen=True)
class Bound:
    owner: Sound
    context: object

    @property
    def source_patch_size(self):
        return tuple(size + 2 for size in self.context.patch_size)

    def __call__(self, image, label, rng, *, previous=None):
        inside = (slice(1, -1),) * label.ndim
        axes = self.owner.axes(self.context, rng)
        image = self.owner.image(image[:, *inside], axes, rng)
        if previous is not None:
            moved = self.owner.previous(previous[inside], axes)
            image = np.concatenate([image, *((moved == value)[None] for value in self.context.previous_labels)])
        return image.astype(np.float32), self.owner.label(label[inside], axes)


class FlipsImageAlone(Sound):
    def label(self, label, axes):
        return np.maximum(label, 0)

    def previous(self, label, axes):
        return label


class ShiftsLabel(Sound):
    """Moves the label by two voxels, as a wrong crop does."""

    def label(self, label, axes):
        return np.roll(super().label(label, axes), 2, axis=-1)


class LeavesPrevious(Sound):
    """Moves image and label, but not what the previous stage found."""

    def previous(self, label, axes):
        return label


class DrawsFromNumpy(Sound):
    def image(self, image, axes, rng):
        return super().image(image, axes, rng) * (1 + 0.01 * np.random.random())


class DrawsFromPython(Sound):
    def image(self, image, axes, rng):
        return super().image(image, axes, rng) * (1 + 0.01 * random.random())


class DrawsFromTorch(Sound):
    def image(self, image, axes, rng):
        return super().image(image, axes, rng) * float(1 + 0.01 * torch.rand(()))


class DrawsUnseeded(Sound):
    def image(self, image, axes, rng):
        return super().image(image, axes, np.random.default_rng())


@dataclass(frozen=True)
class Counts(Sound):
    """Gets stronger with every call."""

    calls: list[int] = field(default_factory=list)

    def image(self, image, axes, rng):
        self.calls.append(1)
        return super().image(image, axes, rng) * (1 + 0.001 * len(self.calls))


class ShiftsMasked(Sound):
    """Brightens what must stay 0."""

    def image(self, image, axes, rng):
        return super().image(image, axes, rng) + 1


class Still(Sound):
    """Draws nothing: allowed, but nothing of chance could be tried."""

    def axes(self, context, rng):
        return []

    def image(self, image, axes, rng):
        return image
