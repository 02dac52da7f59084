"""A sound resampler, and resamplers that break one promise each."""

from __future__ import annotations

import numpy as np

from nnplug.ops.resample import nearest, resampled_shape


class Sound:
    """Nearest voxels."""

    def new_shape(self, shape, spacing, new_spacing):
        return resampled_shape(shape, spacing, new_spacing)

    def resample_image(self, image, grids):
        return np.stack([self.take(volume, grids.shape) for volume in image])

    def resample_label(self, label, grids):
        return self.take(label, grids.shape)

    def take(self, volume, shape):
        return volume[np.ix_(*map(nearest, volume.shape, shape))]


class Swaps(Sound):
    def take(self, volume, shape):
        return super().take(volume[:, ::-1], shape)


class InventsLabels(Sound):
    """Interpolates the values of labels."""

    def resample_label(self, label, grids):
        taken = self.take(label, grids.shape)
        return ((taken + np.roll(taken, 1, 2)) * 2).astype(np.int16)


class InPlace(Sound):
    def resample_image(self, image, grids):
        result = super().resample_image(image, grids)
        image[:, 0, 0, 0] += 1
        return result


class Noisy(Sound):
    def resample_image(self, image, grids):
        return super().resample_image(image, grids) + np.float32(np.random.default_rng().normal() / 1e4)


class Doubles(Sound):
    def resample_label(self, label, grids):
        return super().resample_label(label, grids).astype(np.int64)


class Brightens(Sound):
    def resample_image(self, image, grids):
        return super().resample_image(image, grids) * np.float32(1.01)


class Local(Sound):
    def __init__(self):
        self.take = lambda volume, shape: Sound.take(self, volume, shape)
