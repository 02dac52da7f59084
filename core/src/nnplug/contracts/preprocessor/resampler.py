"""Resamplers: bring images and label maps from one grid to another, inside a preprocessor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nnplug.plans.plans import Resampling

Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class Regrid:
    """The old and the new grid of a resampling. Axes are those of the array (z, y, x).

    Attributes:
        shape: the shape of the result, as `Resampler.new_shape` returned it.
        spacing: the spacing of the argument, mm.
        new_spacing: the spacing of the plans, mm.
        resampling: the spline orders of the plans. A resampler may ignore them.
    """

    shape: Shape
    spacing: Spacing
    new_spacing: Spacing
    resampling: Resampling


class Resampler(Protocol):
    """A component that resamples. It is pickled for other processes, and called by several threads at once.

    Logits return to the image by the preprocessor's own linear interpolation, whichever the resampler is.
    """

    def new_shape(self, shape: Shape, spacing: Spacing, new_spacing: Spacing) -> Shape:
        """Return the shape (z, y, x) of an array of this shape and spacing (mm) after resampling."""
        ...

    def resample_image(self, image: npt.NDArray[np.float32], grids: Regrid) -> npt.NDArray[np.float32]:
        """Return the normalised image (C, z, y, x) float32 as (C, *grids.shape) float32. Do not change the argument."""
        ...

    def resample_label(self, label: npt.NDArray[np.int16], grids: Regrid) -> npt.NDArray[np.int16]:
        """Return the label map (z, y, x) int16 as `grids.shape` int16, with no values that it does not have.

        The value -1 is background outside the nonzero mask. Do not change the argument.
        """
        ...
