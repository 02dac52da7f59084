"""nnU-Net's preprocessing: transpose, crop to nonzero, normalise, resample; and its inverse.

The module does not import torch at its top level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from nnplug import NnplugError
from nnplug.arrays import DisposableArray, LabelArray
from nnplug.contracts import (
    CascadePreprocessing,
    Channel,
    CropInverse,
    PreprocessingContext,
    Preprocessor,
    Regrid,
    Resampler,
)
from nnplug.dataset.labels import Labels
from nnplug.errors import InvalidFile
from nnplug.io.crop_info import CropInfo
from nnplug.ops.crop import bounding_box, moved_to_start, nonzero_mask, slices
from nnplug.ops.resample import separated_axis
from nnplug.plans.plans import Resampling
from nnplug.workspace.case_store import Prepared
from nnplug_nnunet.outside import OUTSIDE
from nnplug_nnunet.resamplers import SplineResampler

if TYPE_CHECKING:
    import torch

Image = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Spacing = tuple[float, float, float]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class NnunetPreprocessor(Preprocessor):
    """nnU-Net 2.8.1's `DefaultPreprocessor`."""

    def bind(self, context: PreprocessingContext) -> NnunetPreprocessing:
        """See `nnplug.contracts.Preprocessor`.

        Raises:
            NnplugError: a resampling is not supported.
        """
        return NnunetPreprocessing.of(context)

    def read_inverse(self, data: Mapping[str, Any]) -> CropInverse:
        """Return the inverse from its stored values; see `nnplug.contracts.Preprocessor`.

        Raises:
            InvalidFile: a value is missing or wrong.
        """
        if not isinstance(axis := data.get("axis"), int | None):
            raise InvalidFile(f"the inverse of a case: 'axis' is {axis!r}; expected 0, 1, 2 or null")
        return CropInverse(_crop_info(data.get("frame")), axis)


@dataclass(frozen=True)
class NnunetPreprocessing(CascadePreprocessing):
    """The preprocessing of images for the network of a configuration, in training and in prediction.

    Attributes:
        transpose_forward: the order that the image's (z, y, x) axes are brought into.
        spacing: target spacing in mm of the transposed axes; (y, x) in 2d, where slices keep their distance.
        channels: normalisations in the order of the image's channels.
        resampling: spline orders.
        labels: classes or regions.
        resampler: brings images and label maps to the new grid.
    """

    transpose_forward: tuple[int, int, int]
    spacing: tuple[float, ...]
    channels: tuple[Channel, ...]
    resampling: Resampling
    labels: Labels
    resampler: Resampler = field(default_factory=SplineResampler)

    @classmethod
    def of(cls, context: PreprocessingContext) -> Self:
        """Return the preprocessing of a configuration.

        Raises:
            NnplugError: a resampling is not supported.
        """
        resampling = context.resampling
        if order := resampling.image.order_z or resampling.label.order_z:
            raise NnplugError(
                f"plans {context.plans!r}: 'order_z' of {context.configuration} is {order}; across slices nnplug takes "
                "the nearest one. Set it to 0."
            )
        logits = resampling.probability
        if (logits.order, logits.order_z) != (1, 0):
            raise NnplugError(
                f"the plans resample logits with order {logits.order} and, across slices, {logits.order_z}; nnplug "
                "does 1 and 0. Change 'resampling.probability' in the plans."
            )
        resampler = context.resampler or SplineResampler()
        return cls(context.transpose_forward, context.spacing, context.channels, resampling, context.labels, resampler)

    def prepare(self, image: Image, spacing: Spacing, label: LabelArray | None = None) -> Prepared:
        """Preprocess a case; see `nnplug.contracts.Preprocessing`.

        Background outside the nonzero mask gets the label -1.
        """
        cropped, mask, crop_info = self._crop(image, spacing)
        if label is None:
            if isinstance(image, DisposableArray) and self.transpose_forward == (0, 1, 2):
                cropped = moved_to_start(image, crop_info.bounding_box)
            return Prepared(self._image(cropped, mask, crop_info), None, crop_info.data())
        prepared, resampled = self._with_label(cropped, label, mask, crop_info)
        return Prepared(prepared, resampled, crop_info.data())

    def prepare_refining(self, image: Image, spacing: Spacing, previous: LabelArray) -> Prepared:
        """Preprocess a case with the previous stage's label map as last channel, -1 outside the nonzero mask.

        See `nnplug.contracts.CascadePreprocessing`. nnU-Net reads the previous stage's prediction like labels, so its
        voxels count as inside the mask.
        """
        cropped, mask, crop_info = self._crop(image, spacing)
        prepared, resampled = self._with_label(cropped, previous, mask, crop_info)
        channels = np.concatenate((prepared, resampled[np.newaxis]), dtype=np.float32)
        return Prepared(channels, None, crop_info.data())

    def inverse(self, info: Mapping[str, Any]) -> CropInverse:
        """See `nnplug.contracts.Preprocessing`."""
        crop_info = _crop_info(info)
        force = self.resampling.probability.force_separate_z
        axis = separated_axis(crop_info.spacing, crop_info.transposed_spacing, force=force)
        return CropInverse(crop_info, axis)

    def shape_of(self, info: Mapping[str, Any]) -> Shape:
        """See `nnplug.contracts.CascadePreprocessing`; 2d configurations keep the distance of slices."""
        crop_info = _crop_info(info)
        old = crop_info.transposed_spacing
        z, y, x = (*old[: 3 - len(self.spacing)], *self.spacing)
        return self.resampler.new_shape(crop_info.cropped_shape, old, (z, y, x))

    def label_map_on(self, logits: torch.Tensor, info: Mapping[str, Any], shape: Shape) -> LabelArray:
        """Return the label map on the grid of another configuration; see `nnplug.contracts.CascadePreprocessing`.

        The spacing of the logits alone decides whether slices are resampled one by one, as in nnU-Net.
        """
        from nnplug.ops.export import label_map

        spacing, force = _crop_info(info).spacing, self.resampling.probability.force_separate_z
        axis = separated_axis(spacing, spacing, force=force)
        return label_map(logits, shape, axis=axis, regions_class_order=self.labels.regions_class_order)

    def _crop(self, image: Image, spacing: Spacing) -> tuple[Image, Mask, CropInfo]:
        """Return the transposed image and its nonzero mask, both cropped to their bounding box, and the crop info."""
        forward = self.transpose_forward
        transposed = image.transpose(0, *(axis + 1 for axis in forward))
        mask = nonzero_mask(transposed.view(np.ndarray))
        box = bounding_box(mask)
        mask = mask[slices(box)]
        old_spacing, new_spacing = self._spacings(spacing)
        z, y, x = image.shape[1:]
        crop_info = CropInfo(
            original_shape=(z, y, x),
            original_spacing=spacing,
            transpose_forward=forward,
            bounding_box=box,
            shape=self.resampler.new_shape(_three(mask.shape), old_spacing, new_spacing),
            spacing=new_spacing,
        )
        return transposed[:, *slices(box)], mask, crop_info

    def _with_label(
        self, cropped: Image, label: LabelArray, mask: Mask, crop_info: CropInfo
    ) -> tuple[Image, npt.NDArray[np.int16]]:
        """Return image and label on the new grid; normalisation counts labelled voxels as inside the mask."""
        marked = _mark_outside(label.transpose(self.transpose_forward)[slices(crop_info.bounding_box)], mask)
        return self._image(cropped, marked >= 0, crop_info), self.resampler.resample_label(
            marked, self._grids(crop_info)
        )

    def _spacings(self, spacing: Sequence[float]) -> tuple[Spacing, Spacing]:
        """Return old and new spacing of the transposed axes, mm."""
        a, b, c = (spacing[axis] for axis in self.transpose_forward)
        z, y, x = (a, *self.spacing) if len(self.spacing) == 2 else self.spacing
        return (a, b, c), (z, y, x)

    def _image(self, image: Image, mask: Mask, crop_info: CropInfo) -> Image:
        """Normalise and resample channel by channel; normalising after resampling would blur the mask's border."""
        grids = self._grids(crop_info)
        result = None if len(image) == 1 else np.empty((len(image), *crop_info.shape), np.float32)
        for number, (volume, channel) in enumerate(zip(image, self.channels, strict=True)):
            own = channel.normalize(_own(volume), mask)
            # a large image that is on the new grid already is not copied
            is_there = own.shape == tuple(grids.shape)
            resampled = own[None] if is_there else self.resampler.resample_image(own[None], grids)
            if result is None:  # no second copy of a large image
                return np.asarray(resampled, np.float32)
            result[number] = resampled[0]
        assert result is not None, "an image has channels"
        return result

    def _grids(self, crop_info: CropInfo) -> Regrid:
        return Regrid(crop_info.shape, crop_info.transposed_spacing, crop_info.spacing, self.resampling)


def _crop_info(info: Any) -> CropInfo:
    return CropInfo.from_data(info, "the crop info of a case")


def _mark_outside(label: LabelArray, mask: Mask) -> npt.NDArray[np.int16]:
    marked = label.astype(np.int16)
    marked[(marked == 0) & ~mask] = OUTSIDE
    return marked


def _own(volume: Image) -> Image:
    """Return a channel that may be overwritten: a disposable one itself if it is contiguous, else a copy."""
    if isinstance(volume, DisposableArray) and volume.flags.c_contiguous and volume.dtype == np.float32:
        return volume.view(np.ndarray)
    return np.array(volume, np.float32, order="C")


def _three(shape: tuple[int, ...]) -> Shape:
    z, y, x = shape
    return z, y, x
