"""Bring logits on the network's grid back to the image, slice by slice, and decode them to labels.

Logits or probabilities of all classes never exist at once at full resolution: linear interpolation along the first axis
holds two slices at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from nnplug_runtime.geometry import Labels, three
from nnplug_runtime.model import Stage
from nnplug_runtime.ops.crop import slices
from nnplug_runtime.ops.resample import nearest
from nnplug_runtime.preprocess import Crop, Shape, separated_axis

Array = npt.NDArray[np.float32]


def label_map(planes: Iterable[Array], count: int, crop: Crop, stage: Stage, paint: Sequence[int] | None) -> Labels:
    """Return the label map (z, y, x) of the image.

    Args:
        planes: logits (K, y, x) on the network's grid, in order along the first axis; each is valid until the next one.
        count: the number of planes.
        crop: the crop of the image.
        stage: the stage that predicted.
        paint: as in `decode`.
    """
    shape = crop.cropped_shape
    axis = separated_axis(crop.spacing, crop.old_spacing, stage.resampling.logits)
    cropped: Labels | None = None
    for z, plane in enumerate(resampled_planes(planes, count, shape, axis)):
        decoded = decode(plane, paint)
        cropped = np.empty(shape, decoded.dtype) if cropped is None else cropped
        cropped[z] = decoded
    assert cropped is not None, "a crop has slices"
    whole = np.zeros([crop.image_shape[axis] for axis in stage.transpose], cropped.dtype)
    whole[slices(crop.box)] = cropped
    return whole.transpose(np.argsort(stage.transpose))


def probability_planes(logits: Array, crop: Crop, stage: Stage, *, regions: bool) -> Iterator[Array]:
    """Yield probabilities (K, y, x) for each z of the image. Outside the crop background has 1, all others 0.

    Args:
        logits: (K, z, y, x) on the network's grid.
        crop: the crop of the image.
        stage: the stage that predicted.
        regions: whether outputs are independent (sigmoid) rather than exclusive (softmax).
    """
    back = [int(axis) for axis in np.argsort(stage.transpose)]
    values = logits.transpose(0, *(axis + 1 for axis in back))
    (top, bottom), *box = (crop.box[axis] for axis in back)
    inside = tuple(slice(start, stop) for start, stop in box)
    separated = separated_axis(crop.spacing, crop.old_spacing, stage.resampling.logits)
    axis = None if separated is None else stage.transpose[separated]
    shape = three([crop.cropped_shape[axis] for axis in back])
    planes = resampled_planes((values[:, z] for z in range(values.shape[1])), values.shape[1], shape, axis)
    for z in range(crop.image_shape[0]):
        plane = background(len(logits), crop.image_shape, regions=regions)
        if top <= z < bottom:
            plane[:, *inside] = _sigmoid(next(planes)) if regions else _softmax(next(planes))
        yield plane


def background(outputs: int, image_shape: Shape, *, regions: bool) -> Array:
    """Return the probabilities (K, y, x) of a slice of background."""
    plane = np.zeros((outputs, *image_shape[1:]), np.float32)
    plane[0] = float(not regions)
    return plane


def resampled_planes(planes: Iterable[Array], count: int, shape: Shape, axis: int | None) -> Iterator[Array]:
    """Yield the slices (K, y, x) of resampled logits along the first axis.

    Args:
        planes: (K, y, x), in order along the first axis.
        count: the number of planes.
        shape: (z, y, x) of the result.
        axis: the axis across which the nearest slice is taken; None for linear interpolation along all axes.
    """
    source = enumerate(planes)
    held: dict[int, Array] = {}
    for low, high, weight in _taps(count, shape[0], separated=axis == 0):
        held = {z: plane for z, plane in held.items() if z >= low}
        while high not in held:
            z, plane = next(source)
            if z >= low:
                held[z] = _resized(plane, shape[1:], axis)
        yield held[low] if low == high else held[low] + np.float32(weight) * (held[high] - held[low])


def decode(values: Array, paint: Sequence[int] | None = None, *, threshold: float = 0) -> Labels:
    """Return the label of each voxel, uint8 or int16.

    Args:
        values: logits or probabilities (K, ...).
        paint: one label value per region: a voxel gets that of the last region above the threshold, 0 if none is. None
            for classes: the largest wins; on a tie, the first.
        threshold: 0 for logits, 0.5 for probabilities.
    """
    highest = len(values) if paint is None else max(paint)
    dtype = np.uint8 if highest <= np.iinfo(np.uint8).max else np.int16
    if paint is None:
        chosen: Labels = values.argmax(0).astype(dtype)
        return chosen
    labels = np.zeros(values.shape[1:], dtype)
    for value, logit in zip(paint, values, strict=True):
        labels[logit > threshold] = value
    return labels


def _taps(old: int, new: int, *, separated: bool) -> Iterator[tuple[int, int, float]]:
    """Yield the two old samples around each new one and the weight of the second; the nearest twice if separated."""
    if separated:
        yield from ((int(z), int(z), 0.0) for z in nearest(old, new))
        return
    position = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    for low, weight in zip(np.floor(position).astype(int), position % 1, strict=True):
        yield int(low), int(low + (weight > 0)), float(weight)


def _resized(plane: Array, shape: Sequence[int], axis: int | None) -> Array:
    """Return a plane (K, y, x) resampled to (K, *shape), never the argument itself."""
    result = plane
    for own, size in ((1, shape[0]), (2, shape[1])):
        if result.shape[own] == size:
            continue
        if axis == own:
            result = result.take(nearest(result.shape[own], size), own)
            continue
        low, high, weight = (
            np.array(values) for values in zip(*_taps(result.shape[own], size, separated=False), strict=True)
        )
        first = result.take(low, own)
        result = first + np.expand_dims(weight.astype(np.float32), 1 if own == 1 else 0) * (
            result.take(high, own) - first
        )
    return plane.copy() if result is plane else result


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(0))
    probabilities: Array = powers / powers.sum(0)
    return probabilities


def _sigmoid(logits: Array) -> Array:
    with np.errstate(over="ignore"):
        probabilities: Array = np.float32(1) / (np.float32(1) + np.exp(-logits))
    return probabilities
