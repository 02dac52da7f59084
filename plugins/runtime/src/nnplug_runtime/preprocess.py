"""Bring an image to the grid and the intensities of the network: transpose, crop, normalise, resample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nnplug_runtime.geometry import Image, Labels, three
from nnplug_runtime.model import Interpolation, Stage
from nnplug_runtime.normalize import Mask, Volume, normalize
from nnplug_runtime.ops.crop import Box, bounding_box, nonzero_mask, slices
from nnplug_runtime.ops.resample import resample_image, resample_label, resampled_shape

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]
OUTSIDE = -1
"""The label of background outside the nonzero mask."""


@dataclass(frozen=True)
class Crop:
    """The relation of a prepared array to its image; all axes but those of `image_shape` are transposed.

    Attributes:
        image_shape: (z, y, x) of the image.
        box: start and stop per axis of the crop.
        old_spacing: of the image, mm.
        spacing: of the prepared array, mm.
        shape: of the prepared array.
    """

    image_shape: Shape
    box: Box
    old_spacing: Spacing
    spacing: Spacing
    shape: Shape

    @property
    def cropped_shape(self) -> Shape:
        """The shape of the crop before resampling."""
        a, b, c = (stop - start for start, stop in self.box)
        return a, b, c


def prepare(image: Image, stage: Stage, previous: Labels | None = None) -> tuple[npt.NDArray[np.float32], Crop]:
    """Return an image on the network's grid (C, z, y, x) float32, and the crop.

    Args:
        image: the image as read.
        stage: the stage that predicts.
        previous: in a cascade, the previous stage's label map (z, y, x) of the image; it becomes the last channel.

    Raises:
        Fault: a value is not in the range that a normalisation takes.
    """
    transposed = image.array.transpose(0, *(axis + 1 for axis in stage.transpose))
    mask = nonzero_mask(transposed)
    box = bounding_box(mask)
    mask = mask[slices(box)]
    crop = _crop(image, stage, box)
    own = (*transposed[:, *slices(box)],)
    if previous is None:
        return _channels(own, mask, stage, crop), crop
    marked = previous.transpose(stage.transpose)[slices(box)].astype(np.int16)
    marked[(marked == 0) & ~mask] = OUTSIDE
    channels = _channels(own, marked >= 0, stage, crop)
    labels = _resampled_labels(marked, stage, crop)
    return np.concatenate((channels, labels[np.newaxis]), dtype=np.float32), crop


def separated_axis(spacing: Spacing, new_spacing: Spacing, rule: Interpolation) -> int | None:
    """Return the axis whose slices are resampled one by one, or None if all axes are interpolated.

    Args:
        spacing: of the old grid, mm.
        new_spacing: of the new grid, mm.
        rule: whether slices are separated, and from which ratio of spacings on.
    """
    if rule.separate_slices is None:
        grids = [s for s in (spacing, new_spacing) if max(s) / min(s) > rule.anisotropy]
    else:
        grids = [spacing] if rule.separate_slices else []
    coarsest = [axis for axis, size in enumerate(grids[0]) if size == max(grids[0])] if grids else []
    return coarsest[0] if len(coarsest) == 1 else None


def _crop(image: Image, stage: Stage, box: Box) -> Crop:
    old = three([image.geometry.spacing[axis] for axis in stage.transpose])
    new = three([*old[: 3 - len(stage.spacing)], *stage.spacing])
    cropped = three([stop - start for start, stop in box])
    shape = cropped if stage.resampling.grid == "own" else resampled_shape(cropped, old, new)
    return Crop(image.geometry.shape, box, old, new, shape)


def _channels(volumes: tuple[Volume, ...], mask: Mask, stage: Stage, crop: Crop) -> Volume:
    """Return the channels, normalised before resampling: the border of the mask would be blurred otherwise."""
    rule = stage.resampling.image
    axis = separated_axis(crop.old_spacing, crop.spacing, rule)
    result = np.empty((len(volumes), *crop.shape), np.float32)
    for number, (volume, channel) in enumerate(zip(volumes, stage.channels, strict=True)):
        own = normalize(np.array(volume, np.float32, order="C"), mask, channel)
        result[number] = (
            own if own.shape == crop.shape else resample_image(own[None], crop.shape, order=rule.order, axis=axis)[0]
        )
    return result


def _resampled_labels(labels: npt.NDArray[np.int16], stage: Stage, crop: Crop) -> npt.NDArray[np.int16]:
    rule = stage.resampling.labels
    axis = separated_axis(crop.old_spacing, crop.spacing, rule)
    if labels.shape == crop.shape:
        return labels
    return resample_label(labels, crop.shape, order=rule.order, axis=axis)
