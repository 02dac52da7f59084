"""The relation of a preprocessed array to its image."""

from __future__ import annotations

from nnplug.runtime.records import Record


class CropInfo(Record, frozen=True, kw_only=True):
    """The relation of a preprocessed array to its image: everything to undo resampling, crop and transposition.

    Attributes:
        original_shape: (z, y, x) of the image as read, voxels.
        original_spacing: (z, y, x) of the image as read, mm.
        transpose_forward: axis i of the preprocessed array is axis `transpose_forward[i]` of the image.
        bounding_box: start and stop per transposed axis of the crop to the nonzero region, voxels.
        shape: of the preprocessed array, transposed axes, voxels.
        spacing: of the preprocessed array, transposed axes, mm.
    """

    original_shape: tuple[int, int, int]
    original_spacing: tuple[float, float, float]
    transpose_forward: tuple[int, int, int]
    bounding_box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @property
    def transposed_shape(self) -> tuple[int, int, int]:
        """The original shape with transposed axes, voxels."""
        a, b, c = (self.original_shape[axis] for axis in self.transpose_forward)
        return a, b, c

    @property
    def transposed_spacing(self) -> tuple[float, float, float]:
        """The original spacing with transposed axes, mm."""
        a, b, c = (self.original_spacing[axis] for axis in self.transpose_forward)
        return a, b, c

    @property
    def cropped_shape(self) -> tuple[int, int, int]:
        """The shape after transposition and crop, before resampling, voxels."""
        a, b, c = (stop - start for start, stop in self.bounding_box)
        return a, b, c
