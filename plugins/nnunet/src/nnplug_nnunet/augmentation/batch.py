"""The pipeline for whole batches on the training device: a few dozen kernels for any number of samples.

Transforms of small probability compute only the channels that they change. No step waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nnplug.contracts import DrawnSamples
from nnplug.ops.one_hot import one_hot
from nnplug.ops.sliding_window import in_batches
from nnplug_nnunet.augmentation.batch_previous import operate, remove_components
from nnplug_nnunet.augmentation.batch_resample import (
    batch_cubic_images,
    batch_images,
    batch_labels,
    batch_nearest_images,
    batch_nearest_labels,
    batch_positions,
)
from nnplug_nnunet.augmentation.previous import Operation
from nnplug_nnunet.augmentation.sample import ChannelTransform, on_device
from nnplug_nnunet.augmentation.spatial import SpatialParams, SpatialTransform
from nnplug_nnunet.augmentation.transforms import Drawn, Transforms

_VOXELS = 1 << 22  # resampled at once: the labels around each voxel take a hundred bytes
_IMAGES = {"linear": batch_images, "cubic": batch_cubic_images, "nearest": batch_nearest_images}
_LABELS = {"linear": batch_labels, "nearest": batch_nearest_labels}
Patches = tuple[torch.Tensor, torch.Tensor]
"""Images (N, C, *patch) and label maps (N, S, *patch): the label, in a cascade also that of the previous stage."""


@dataclass(frozen=True)
class BatchPipeline:
    """The augmentation of batches; see `nnplug.contracts.BatchAugmentation`."""

    transforms: Transforms

    def draw(self, rng: np.random.Generator, channels: int) -> Drawn:
        """Draw the parameters of one sample, as `Pipeline` does."""
        return self.transforms.draw(rng, channels)

    def cut_size(self, drawn: Drawn) -> tuple[int, ...]:
        """Return the patch size if no spatial transform is drawn, else the larger source size."""
        return self.transforms.spatial.patch_size if drawn.spatial is None else self.transforms.source_patch_size

    def __call__(self, groups: Sequence[DrawnSamples]) -> tuple[torch.Tensor, torch.Tensor]:
        """Move the samples of all groups to their positions, then apply the other transforms together.

        Args:
            groups: images (n, C, *size) and label maps (n, *size), grouped by size.

        Returns:
            image (B, C, *patch) float32 and label (B, *patch), without negative values. In a cascade the image has the
            one-hot channels of the previous stage.
        """
        places = np.concatenate([group.places for group in groups])
        placed = [self._placed(group) for group in groups]
        back = on_device(places.argsort(), groups[0].image.device)
        image, maps = (torch.cat(parts).index_select(0, back) for parts in zip(*placed, strict=True))
        drawn = [drawn for group in groups for drawn in group.draws]
        ordered = [drawn[i] for i in places.argsort()]
        self._transform(image, maps, ordered)
        if self.transforms.previous_labels:
            image = torch.cat((image, one_hot(maps[:, 1], self.transforms.previous_labels, dim=1)), 1)
        return image, maps[:, 0].clamp(min=0)

    def _placed(self, group: DrawnSamples) -> Patches:
        maps = group.label[:, None] if group.previous is None else torch.stack((group.label, group.previous), 1)
        if all(drawn.spatial is None for drawn in group.draws):
            return group.image, maps
        spatial = self.transforms.spatial
        # a sample without a spatial transform, in a group with others: its source has the same size
        still = SpatialParams((), (1.0,) * len(spatial.moving_size))
        params = [drawn.spatial or still for drawn in group.draws]
        at_once = max(1, _VOXELS // group.label[0].numel())
        parts = [moved(spatial, group.image[part], maps[part], params[part]) for part in _slices(len(params), at_once)]
        image, maps = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return image, maps

    def _transform(self, image: torch.Tensor, maps: torch.Tensor, drawn: Sequence[Drawn]) -> None:
        """Apply every transform but the spatial one, in place."""
        effects = list(zip(*(one.effects for one in drawn), strict=True))
        count = len(self.transforms.intensity)
        for transform, params in zip(self.transforms.intensity, effects, strict=False):
            change(transform, image, params)
        for axis in self.transforms.mirror.axes:
            mirror(axis, (image, maps), [axis in (axes or ()) for axes in effects[count]])
        for sample, errors in enumerate(zip(*effects[count + 1 :], strict=True)):
            self._disturb(maps[sample, 1], *errors)
        self.transforms.mask.clear(image, maps[:, 0])

    def _disturb(
        self, previous: torch.Tensor, operations: Sequence[Operation] | None, removed: Mapping[int, float] | None
    ) -> None:
        """Put the drawn errors into the previous stage's label map (*patch) of a sample, in place."""
        operate(previous, operations or ())
        if removed and self.transforms.previous:
            remove_components(previous, removed, self.transforms.previous[1])


def moved(
    spatial: SpatialTransform, image: torch.Tensor, maps: torch.Tensor, params: Sequence[SpatialParams]
) -> Patches:
    """Return the samples on their transformed grids: (N, C, *patch) and (N, S, *patch).

    Args:
        spatial: the transform, which holds the patch size.
        image: (N, C, *source).
        maps: label maps (N, S, *source).
        params: the spatial parameters of each sample.
    """
    if spatial.in_plane:  # slices become channels
        image, maps = image.flatten(1, 2), maps.flatten(1, 2)
    size, device = spatial.moving_size, image.device
    matrices = np.stack([one.matrix() for one in params])
    offsets = _offsets(params, size, device)
    positions = batch_positions(matrices, size, image.shape[2:], device=device, offsets=offsets)
    images = _IMAGES[spatial.interpolation](image, positions)
    labels = _LABELS[spatial.label_interpolation](maps, positions)
    shape = (len(params), -1, *spatial.patch_size)
    return images.view(shape), labels.view(shape)


def _offsets(params: Sequence[SpatialParams], size: Sequence[int], device: torch.device) -> torch.Tensor | None:
    """Return the displacements of elastic deformations, (N, axes, *size) voxels; None without one."""
    if all(one.elastic is None for one in params):
        return None
    still = torch.zeros((len(size), *size), device=device)
    return torch.stack([one.elastic.field(size, device) if one.elastic else still for one in params])


def change(transform: ChannelTransform[Any], image: torch.Tensor, params: Sequence[Mapping[int, Any] | None]) -> None:
    """Apply a transform in place to the drawn channels of a batch (B, C, *size)."""
    channels = image.shape[1]
    values = {i * channels + c: value for i, one in enumerate(params) for c, value in (one or {}).items()}
    if not values:
        return
    rows = on_device(np.array(list(values)), image.device)
    volumes = image.flatten(0, 1)
    chosen = volumes.index_select(0, rows)
    transform.change(chosen, list(values.values()))
    volumes.index_copy_(0, rows, chosen)


def mirror(axis: int, tensors: Sequence[torch.Tensor], chosen: Sequence[bool]) -> None:
    """Mirror some samples of (B, C, *patch) tensors in place along a spatial axis, counted from the first."""
    if not any(chosen):
        return
    rows = on_device(np.flatnonzero(chosen), tensors[0].device)
    spatial = tensors[-1].dim() - 2
    for tensor in tensors:
        tensor.index_copy_(0, rows, tensor.index_select(0, rows).flip(axis - spatial))


def _slices(count: int, size: int) -> Iterator[slice]:
    return (slice(part[0], part[-1] + 1) for part in in_batches(range(count), size))
