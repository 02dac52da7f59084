"""Turn logits on the network's grid into a label map on the image's grid, slice by slice.

Full-resolution logits or probabilities of all classes never exist at once: linear interpolation along the first axis
holds two slices at a time. The numbers equal those of nnU-Net, which resizes the volume of each class with scikit-image
(order 1, edge values continued): sample i of the new grid lies at (i + 0.5) * old / new - 0.5 of the old grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from nnplug.arrays import LabelArray
from nnplug.ops.export.bands import banded_labels
from nnplug.ops.export.planes import Shape, decode, resampled_planes

__all__ = [
    "decode",
    "label_map",
    "probabilities",
    "probability_planes",
    "resampled_planes",
    "resampled_slices",
    "restore",
    "streamed_label_map",
]

Box = Sequence[tuple[int, int]]
Scalar = TypeVar("Scalar", bound=np.generic)


def label_map(
    logits: torch.Tensor,
    shape: Shape,
    *,
    axis: int | None = None,
    regions_class_order: Sequence[int] | None = None,
) -> LabelArray:
    """Resample logits and return the label of each voxel.

    Args:
        logits: (K, z, y, x) float32, on any device.
        shape: (z, y, x) of the result.
        axis: the axis across which slices are resampled one by one; along it the nearest slice is taken. None for
            linear interpolation along all axes. See `nnplug.ops.resample.separated_axis`.
        regions_class_order: as in `decode`.

    Returns:
        (z, y, x) uint8, or int16 if values are above 255.
    """
    return streamed_label_map(
        _planes(logits), logits.shape[1], shape, axis=axis, regions_class_order=regions_class_order
    )


def streamed_label_map(
    planes: Iterable[torch.Tensor],
    count: int,
    shape: Shape,
    *,
    axis: int | None = None,
    regions_class_order: Sequence[int] | None = None,
) -> LabelArray:
    """Return the label map as `label_map` does, from logits that arrive plane by plane and are never whole in memory.

    Logits on a GPU are resampled and decoded there, many slices together; the CPU gets the labels.

    Args:
        planes: (K, y, x) float32, in order along the first axis. Each is valid until the next one is read.
        count: the number of planes.
        shape: as in `label_map`.
        axis: as in `label_map`.
        regions_class_order: as in `decode`.

    Returns:
        (z, y, x) uint8, or int16 if values are above 255.
    """
    arriving = iter(planes)
    first = next(arriving)  # every image has at least one slice
    whole = chain([first], arriving)
    if first.device.type == "cpu":
        labels = _sliced_labels(whole, count, shape, axis=axis, regions_class_order=regions_class_order)
    else:
        labels = banded_labels(whole, count, shape, axis=axis, regions_class_order=regions_class_order)
    array: LabelArray = labels.cpu().numpy()
    return array


def probabilities(
    logits: torch.Tensor, shape: Shape, *, axis: int | None = None, regions: bool = False
) -> Iterator[npt.NDArray[np.float32]]:
    """Resample logits and yield the probability of one class or region after the other.

    Args:
        logits: (K, z, y, x) float32, on any device.
        shape: (z, y, x) of the result.
        axis: as in `label_map`.
        regions: whether outputs are independent (sigmoid) rather than exclusive (softmax).

    Yields:
        K arrays (z, y, x) float32. Two such arrays are held at once, for any K.
    """
    normalizer = None
    if not regions:
        normalizer = _stack((plane.logsumexp(0) for plane in resampled_slices(logits, shape, axis)), shape)
    for k in range(len(logits)):
        volume = torch.from_numpy(
            _stack((plane[0] for plane in resampled_slices(logits[k : k + 1], shape, axis)), shape)
        )
        if normalizer is None:
            yield volume.sigmoid_().numpy()
        else:
            yield volume.sub_(torch.from_numpy(normalizer)).exp_().numpy()


def resampled_slices(logits: torch.Tensor, shape: Shape, axis: int | None) -> Iterator[torch.Tensor]:
    """Yield the slices (K, y, x) of resampled logits along the first axis. Each is valid until the next one is read.

    Args:
        logits: (K, z, y, x) float32.
        shape: (z, y, x) of the result.
        axis: as in `label_map`.
    """
    return resampled_planes(_planes(logits), logits.shape[1], shape, axis)


def probability_planes(
    logits: torch.Tensor, shape: Shape, *, axis: int | None = None, regions: bool = False
) -> Iterator[torch.Tensor]:
    """Resample logits and yield the probabilities of all classes or regions, slice by slice along the first axis.

    Args:
        logits: (K, z, y, x) float32, on any device.
        shape: (z, y, x) of the result.
        axis: as in `label_map`.
        regions: as in `probabilities`.

    Yields:
        (K, y, x) float32, once per slice.
    """
    for plane in resampled_slices(logits, shape, axis):
        yield plane.sigmoid() if regions else plane.softmax(0)


def restore(
    volume: npt.NDArray[Scalar], shape: Shape, *, bounding_box: Box, transpose: Sequence[int], fill: float = 0
) -> npt.NDArray[Scalar]:
    """Return a volume with the crop and the transposition of preprocessing undone.

    Args:
        volume: the content of the bounding box, with three transposed axes.
        shape: the shape of the whole image, with transposed axes.
        bounding_box: start and stop per transposed axis, voxels.
        transpose: axis i of the volume is axis `transpose[i]` of the image.
        fill: the value outside the box.

    Returns:
        An array of the image's shape (z, y, x) and the volume's dtype.
    """
    if volume.shape == tuple(shape):  # no second array of a large image
        return volume.transpose(np.argsort(transpose))
    whole = np.full(shape, fill, volume.dtype)
    whole[tuple(slice(start, stop) for start, stop in bounding_box)] = volume
    return whole.transpose(np.argsort(transpose))


def _sliced_labels(
    planes: Iterable[torch.Tensor],
    count: int,
    shape: Shape,
    *,
    axis: int | None,
    regions_class_order: Sequence[int] | None,
) -> torch.Tensor:
    labels: torch.Tensor | None = None
    for z, plane in enumerate(resampled_planes(planes, count, shape, axis)):
        decoded = decode(plane, regions_class_order)
        labels = decoded.new_empty(shape) if labels is None else labels
        labels[z] = decoded
    assert labels is not None, "the shape has at least one slice"
    return labels


def _planes(logits: torch.Tensor) -> Iterator[torch.Tensor]:
    return iter(logits.unbind(1))


def _stack(planes: Iterator[torch.Tensor], shape: Shape) -> npt.NDArray[np.float32]:
    volume = np.empty(shape, np.float32)
    for z, plane in enumerate(planes):
        volume[z] = plane.cpu().numpy()
    return volume
