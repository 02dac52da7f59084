"""The relation of a prepared array to its image."""

from __future__ import annotations

from nnplug.runtime.records import Record


class CropInfo(Record, frozen=True, kw_only=True):
    """Enough to take a prediction back: undo the resampling, the crop and the transposition.

    Attributes:
        original_shape: (z, y, x) of the image as read, voxels.
        original_spacing: (z, y, x) as read, mm.
        transpose_forward: the order in which preprocessing took the axes.
        bounding_box: start and stop per transposed axis of the crop to nonzero.
        shape: of the prepared array, transposed, voxels.
        spacing: of the prepared array, transposed, mm.
    """

    original_shape: tuple[int, int, int]
    original_spacing: tuple[float, float, float]
    transpose_forward: tuple[int, int, int]
    bounding_box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    @property
    def transposed_shape(self) -> tuple[int, int, int]:
        """The original shape in the transposed order."""
        a, b, c = (self.original_shape[axis] for axis in self.transpose_forward)
        return a, b, c

    @property
    def transposed_spacing(self) -> tuple[float, float, float]:
        """The original spacing in the transposed order, mm."""
        a, b, c = (self.original_spacing[axis] for axis in self.transpose_forward)
        return a, b, c

    @property
    def cropped_shape(self) -> tuple[int, int, int]:
        """The shape after transposing and cropping, before resampling."""
        a, b, c = (stop - start for start, stop in self.bounding_box)
        return a, b, c
