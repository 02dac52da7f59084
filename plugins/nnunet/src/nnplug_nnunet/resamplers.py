"""Resamplers: nnU-Net's splines, linear interpolation by torch on a device, and none.

The module does not import torch at its top level.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from nnplug.contracts import Regrid, Resampler
from nnplug.ops.resample import nearest, resample_image, resample_label, resampled_shape, separated_axis
from nnplug.plans.plans import SplineOrders

if TYPE_CHECKING:
    import torch

Image = npt.NDArray[np.float32]
Label = npt.NDArray[np.int16]
Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class SplineResampler(Resampler):
    """nnU-Net 2.8.1's `resample_data_or_seg_to_shape`: splines, slice by slice where one axis is much coarser."""

    def new_shape(self, shape: Shape, spacing: Spacing, new_spacing: Spacing) -> Shape:
        """Return the shape of the same volume at the new spacing."""
        return resampled_shape(shape, spacing, new_spacing)

    def resample_image(self, image: Image, grids: Regrid) -> Image:
        """See `nnplug.contracts.Resampler`; results are clipped to the range of the argument."""
        splines = grids.resampling.image
        return resample_image(image, grids.shape, order=splines.order, axis=_axis(grids, splines))

    def resample_label(self, label: Label, grids: Regrid) -> Label:
        """See `nnplug.contracts.Resampler`: the largest interpolated indicator wins."""
        splines = grids.resampling.label
        return resample_label(label, grids.shape, order=splines.order, axis=_axis(grids, splines))


@dataclass(frozen=True)
class NoResampler(Resampler):
    """nnU-Net 2.8.1's `no_resampling_data_or_seg_to_shape`: every image stays on its own grid, cropped.

    The network then sees each image at its own spacing; for datasets whose images have one spacing, or none at all.
    """

    def new_shape(self, shape: Shape, spacing: Spacing, new_spacing: Spacing) -> Shape:  # noqa: ARG002 - the contract
        """Return the shape itself."""
        return shape

    def resample_image(self, image: Image, grids: Regrid) -> Image:  # noqa: ARG002
        """Return a copy."""
        return image.copy()

    def resample_label(self, label: Label, grids: Regrid) -> Label:  # noqa: ARG002
        """Return a copy."""
        return label.copy()


@dataclass(frozen=True)
class TorchResampler(Resampler):
    """Linear interpolation by torch, as nnU-Net 2.8.1's `resample_torch_simple`; the spline orders are ignored.

    Attributes:
        device: the device that interpolates, for each worker of preprocessing; the CPU as in nnU-Net. "auto" is the
            first GPU if there is one, whichever device trains or predicts.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "cpu"

    def new_shape(self, shape: Shape, spacing: Spacing, new_spacing: Spacing) -> Shape:
        """Return the shape of the same volume at the new spacing."""
        return resampled_shape(shape, spacing, new_spacing)

    def resample_image(self, image: Image, grids: Regrid) -> Image:
        """See `nnplug.contracts.Resampler`; across slices that are much farther apart, the nearest one is taken."""
        import torch

        with torch.inference_mode():
            result: Image = self._linear(image, grids, grids.resampling.image).cpu().numpy()
        return result

    def resample_label(self, label: Label, grids: Regrid) -> Label:
        """See `nnplug.contracts.Resampler`: the largest interpolated indicator wins, on a tie the lowest value."""
        import torch

        result = np.full(grids.shape, label.min(), np.int16)
        with torch.inference_mode():
            chosen, best = None, None
            for value in np.unique(label):
                score = self._linear((label == value)[None].astype(np.float32), grids, grids.resampling.label)[0]
                if chosen is None or best is None:
                    chosen, best = torch.full_like(score, int(value), dtype=torch.int16), score
                    continue
                chosen[score > best] = int(value)
                torch.maximum(best, score, out=best)
            if chosen is not None:
                result = chosen.cpu().numpy()
        return result

    def _linear(self, image: Image, grids: Regrid, splines: SplineOrders) -> torch.Tensor:
        import torch
        from torch.nn import functional

        from nnplug.runtime.device import choose_device

        volume = torch.from_numpy(np.ascontiguousarray(image)).to(choose_device(self.device))
        axis = _axis(grids, splines)
        if axis is not None:
            index = torch.from_numpy(nearest(volume.shape[axis + 1], grids.shape[axis])).to(volume.device)
            volume = volume.index_select(axis + 1, index)
        return functional.interpolate(volume[None], grids.shape, mode="trilinear", align_corners=False)[0]


def _axis(grids: Regrid, splines: SplineOrders) -> int | None:
    return separated_axis(grids.spacing, grids.new_spacing, force=splines.force_separate_z)
